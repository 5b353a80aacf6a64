"""The files of a Qwen2-style tokenizer, written and named as they are published.

Needs the standard library only: a build unpacks the Qwen vocabulary with it.
"""

import json
import pathlib

# The 31 added tokens of InternVL3, in id order, each with its `special` flag.
ADDED_TOKENS = [
    ("<|endoftext|>", True), ("<|im_start|>", True), ("<|im_end|>", True),
    ("<|object_ref_start|>", True), ("<|object_ref_end|>", True),
    ("<|box_start|>", True), ("<|box_end|>", True),
    ("<|quad_start|>", True), ("<|quad_end|>", True),
    ("<|vision_start|>", True), ("<|vision_end|>", True),
    ("<|vision_pad|>", True), ("<|image_pad|>", True), ("<|video_pad|>", True),
    ("<tool_call>", False), ("</tool_call>", False),
    ("<|fim_prefix|>", False), ("<|fim_middle|>", False),
    ("<|fim_suffix|>", False), ("<|fim_pad|>", False),
    ("<|repo_name|>", False), ("<|file_sep|>", False),
    ("<img>", True), ("</img>", True), ("<IMG_CONTEXT>", True),
    ("<quad>", True), ("</quad>", True), ("<ref>", True), ("</ref>", True),
    ("<box>", True), ("</box>", True),
]
# `additional_special_tokens` of the published tokenizers stops here.
LAST_ADDITIONAL_SPECIAL = "<|video_pad|>"

SPLIT_REGEX = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
               r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def write_json(path, value, indent=1):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    path.write_text(text + "\n", encoding="utf-8")


def byte_alphabet():
    """The 256 one-byte symbols in the order of GPT-2's and Qwen's ids."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return [chr(b) for b in printable] + [chr(256 + n)
                                          for n in range(len(others))]


def vocab_from_merges(merges):
    """Symbols, then one entry a merge in rank order: token -> id."""
    vocab = {symbol: i for i, symbol in enumerate(byte_alphabet())}
    for left, right in merges:
        assert left + right not in vocab
        vocab[left + right] = len(vocab)
    return vocab


def tokenizer_json(vocab, merges, added, merges_as_pairs):
    """A `tokenizer.json` like the published fast tokenizers of Qwen2."""
    byte_level = {"type": "ByteLevel", "add_prefix_space": False,
                  "trim_offsets": False, "use_regex": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": i, "content": token, "single_word": False, "lstrip": False,
             "rstrip": False, "normalized": False, "special": special}
            for token, i, special in added
        ],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": SPLIT_REGEX},
                 "behavior": "Isolated", "invert": False},
                byte_level,
            ],
        },
        "post_processor": byte_level,
        "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None,
            "continuing_subword_prefix": "", "end_of_word_suffix": "",
            "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": vocab,
            "merges": [list(m) if merges_as_pairs else " ".join(m)
                       for m in merges],
        },
    }


# The chat template that the CUSTOM repositories ship by mistake (Qwen's own,
# with its own system text). Nobody may execute it: see internvl3.md 3.4.
QWEN_CHAT_TEMPLATE = (
    "{%- if messages[0]['role'] == 'system' %}\n"
    "    {{- '<|im_start|>system\\n' + messages[0]['content'] + "
    "'<|im_end|>\\n' }}\n"
    "{%- else %}\n"
    "    {{- '<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud. You "
    "are a helpful assistant.<|im_end|>\\n' }}\n"
    "{%- endif %}\n"
    "{%- for message in messages %}\n"
    "    {%- if (message.role == 'user') or (message.role == 'system' and not "
    "loop.first) or (message.role == 'assistant') %}\n"
    "        {{- '<|im_start|>' + message.role + '\\n' + message.content + "
    "'<|im_end|>' + '\\n' }}\n"
    "    {%- endif %}\n"
    "{%- endfor %}\n"
    "{%- if add_generation_prompt %}\n"
    "    {{- '<|im_start|>assistant\\n' }}\n"
    "{%- endif %}\n")

HF_CHAT_TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n'}}"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' %}{{ '<IMG_CONTEXT>\\n' }}"
    "{% elif content['type'] == 'video' %}{{ '<video>\\n' }}"
    "{% elif content['type'] == 'text' %}{{ content['text'] }}"
    "{% endif %}{% endfor %}{% endif %}{{'<|im_end|>\\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{'<|im_start|>assistant\\n' }}{% endif %}")


def tokenizer_config(added, layout, model_max_length):
    """`tokenizer_config.json` of the CUSTOM or the HF layout."""
    last = [token for token, _, _ in added].index(LAST_ADDITIONAL_SPECIAL)
    config = {
        "add_bos_token": False,
        "add_prefix_space": False,
        "added_tokens_decoder": {
            str(i): {"content": token, "lstrip": False, "normalized": False,
                     "rstrip": False, "single_word": False, "special": special}
            for token, i, special in added
        },
        "additional_special_tokens": [t for t, _, _ in added[1:last + 1]],
        "bos_token": None,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>",
        "errors": "replace",
        "model_max_length": model_max_length,
        "pad_token": "<|endoftext|>",
        "split_special_tokens": False,
        "unk_token": None,
    }
    if layout == "custom":
        config |= {"chat_template": QWEN_CHAT_TEMPLATE,
                   "tokenizer_class": "Qwen2Tokenizer"}
    else:
        config |= {
            "context_image_token": "<IMG_CONTEXT>",
            "end_image_token": "</img>",
            "start_image_token": "<img>",
            "extra_special_tokens": {
                "context_image_token": "<IMG_CONTEXT>",
                "end_image_token": "</img>",
                "start_image_token": "<img>",
            },
            "processor_class": "InternVLProcessor",
            "tokenizer_class": "Qwen2TokenizerFast",
        }
    return config


def write_custom_tokenizer(directory, vocab, merges, added):
    """vocab.json, merges.txt, added_tokens.json and the two configurations."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    write_json(directory / "vocab.json", vocab, indent=None)
    (directory / "merges.txt").write_text(
        "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges),
        encoding="utf-8")
    write_json(directory / "added_tokens.json", {t: i for t, i, _ in added})
    config = tokenizer_config(added, "custom", model_max_length=12288)
    write_json(directory / "tokenizer_config.json", config)

    def entry(token):
        return {"content": token, "lstrip": False, "normalized": False,
                "rstrip": False, "single_word": False}

    write_json(directory / "special_tokens_map.json", {
        "additional_special_tokens": config["additional_special_tokens"],
        "eos_token": entry("<|im_end|>"),
        "pad_token": entry("<|endoftext|>"),
    })


def write_hf_tokenizer(directory, vocab, merges, added, merges_as_pairs=True):
    """tokenizer.json, its configuration and the chat template."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    write_json(directory / "tokenizer.json",
               tokenizer_json(vocab, merges, added, merges_as_pairs),
               indent=None)
    write_json(directory / "tokenizer_config.json",
               tokenizer_config(added, "hf", model_max_length=8192))
    (directory / "chat_template.jinja").write_text(HF_CHAT_TEMPLATE)
