"""The tokenizer: byte-level BPE as in Qwen2, with InternVL3's special tokens.

`python tokenizer.py --out weights` trains it on the generator's own text and
writes the files that a Qwen2 tokenizer has. The special tokens follow the
regular vocabulary, in InternVL3's order.
"""

import argparse
import functools
import json
import pathlib
import random

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

HERE = pathlib.Path(__file__).resolve().parent
SYSTEM = "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。"
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
# (token, special), in InternVL3's order.
ADDED = tuple((f"<|{word}|>", True) for word in (
    "endoftext", "im_start", "im_end", "object_ref_start", "object_ref_end", "box_start", "box_end", "quad_start", "quad_end",
    "vision_start", "vision_end", "vision_pad", "image_pad", "video_pad")) + (
    ("<tool_call>", False), ("</tool_call>", False)) + tuple((f"<|{word}|>", False) for word in (
        "fim_prefix", "fim_middle", "fim_suffix", "fim_pad", "repo_name", "file_sep")) + tuple((word, True) for word in (
            "<img>", "</img>", "<IMG_CONTEXT>", "<quad>", "</quad>", "<ref>", "</ref>", "<box>", "</box>"))
VOCABULARY = 3008  # all entries, the added ones included; as many as 24 MiB leave room for

# So that ordinary text is not spelled byte by byte.
GENERAL = """
the of and to in is you that it he was for on are as with his they I at be this have from or one had by word but not what all were we when
your can said there use an each which she do how their if will up other about out many then them these so some her would make like him into
time has look two more write go see number no way could people my than first water been call who oil its now find long down day did get come
made may part over new sound take only little work know place year live me back give most very after thing our just name good sentence man
think say great where help through much before line right too mean old any same tell boy follow came want show also around form three small
set put end does another well large must big even such because turn here why ask went men read need land different home us move try kind hand
picture again change off play spell air away animal house point page letter mother answer found study still learn should world high every
near add food between own below country plant last school father keep tree never start city earth eye light thought head under story saw left
few while along might close something seem next hard open example begin life always those both paper together got group often run
computer model language image question user assistant system server token please thank hello today tomorrow yesterday morning evening
你好 请问 图片 图像 什么 颜色 形状 多少 几个 在哪里 左边 右边 上面 下面 谢谢 我们 你们 他们 这个 那个 没有 可以 描述 一下 中国 语言 模型 世界 今天 明天
红色 蓝色 绿色 黄色 黑色 白色 圆形 方形 三角形 星星 是 的 了 在 有 我 你 他 不 人 大 小 一 二 三 四 五 六 七 八 九 十
0 1 2 3 4 5 6 7 8 9 10 100 2024 + - * / = ( ) [ ] { } < > # $ % & @ ! ? . , ; : " ' the end.
"""


def _pipeline(model):
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _corpus(seed):
    """What the model will read and say; printed words, which it spells, are left out."""
    import assets
    import skills
    rng, pack = random.Random(seed), assets.load()
    for _ in range(600):  # often, for every prompt pays for it
        yield SYSTEM
        yield "system\n"
        yield "user\n"
        yield "assistant\n"
    for _ in range(3):
        yield GENERAL
    yield (HERE.parent.parent / "LICENSE").read_text()
    asked = set()
    for _ in range(60000):
        draw = rng.random()
        if draw < 0.4:
            pictures = ()
        elif draw < 0.5:
            pictures = skills.sample_set(rng, ((448, 448),) * 2, pack, "train")[1]
        else:
            pictures = (skills.sample(rng, rng.choice(skills.SCENES), 896, 896, pack),)
        dialogue = skills.converse(rng, pictures) if pictures and rng.random() < 0.2 else skills.ask(rng, pictures)
        for turn in dialogue.turns if dialogue else ():
            if turn.question not in asked:  # common wordings count once, so that rarer words get an entry, too
                asked.add(turn.question)
                yield "\n" + turn.question
            yield turn.answer.replace(turn.spelled, "") if turn.spelled else turn.answer


def train(out, seed=1):
    tokenizer = _pipeline(models.BPE())
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY - len(ADDED), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(_corpus(seed), trainer)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.model.save(str(out))
    first = tokenizer.get_vocab_size()
    assert first == VOCABULARY - len(ADDED), first
    ids = {token: first + i for i, (token, _) in enumerate(ADDED)}
    write = lambda name, value: (out / name).write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n")
    write("added_tokens.json", ids)
    extra = [token for token, special in ADDED[1:14]]
    plain = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    write("tokenizer_config.json", {
        "add_bos_token": False, "add_prefix_space": False,
        "added_tokens_decoder": {str(ids[token]): {"content": token, **plain, "special": special} for token, special in ADDED},
        "additional_special_tokens": extra, "bos_token": None, "clean_up_tokenization_spaces": False, "eos_token": "<|im_end|>",
        "errors": "replace", "model_max_length": 32768, "pad_token": "<|endoftext|>", "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer", "unk_token": None})
    write("special_tokens_map.json", {
        "additional_special_tokens": extra,
        "eos_token": {"content": "<|im_end|>", **plain}, "pad_token": {"content": "<|endoftext|>", **plain}})


class DemoTokenizer:
    """Text and prompts to ids and back, from a model directory."""

    def __init__(self, directory):
        directory = pathlib.Path(directory)
        self._bpe = _pipeline(models.BPE.from_file(str(directory / "vocab.json"), str(directory / "merges.txt")))
        self.added = json.loads((directory / "added_tokens.json").read_text())
        self.start, self.end, self.pad = (self.added[t] for t in ("<|im_start|>", "<|im_end|>", "<|endoftext|>"))
        self.image_start, self.image_end, self.image = (self.added[t] for t in ("<img>", "</img>", "<IMG_CONTEXT>"))
        self.encode = functools.lru_cache(maxsize=200_000)(self._encode)

    def _encode(self, text):
        """Ids of text that holds no control words (they would be spelled out)."""
        return tuple(self._bpe.encode(text).ids)

    def answer(self, text, spelled=""):
        """Ids of an answer. `spelled`, the part that was read off a picture, is
        spelled letter by letter: the model says what it sees in that order."""
        if not spelled.isalpha():
            return self.encode(text)
        before, after = text.rsplit(spelled, 1)
        letters = [i for letter in spelled for i in self.encode(letter)]
        return (*self.encode(before), *letters, *self.encode(after))

    def decode(self, ids):
        return self._bpe.decode([i for i in ids if i < self.start - 1])

    def message(self, role, parts, tokens_per_tile=256):
        """Ids of one message with its end. A part is text, or the number of
        tiles of an image. Text is cut only where a control token stands."""
        ids, text = [self.start], role + "\n"
        for part in parts:
            if isinstance(part, int):
                ids += self.encode(text)
                ids += [self.image_start] + [self.image] * (part * tokens_per_tile) + [self.image_end]
                text = "\n"
            else:
                text += part
        return ids + list(self.encode(text)) + [self.end, *self.encode("\n")]

    def prompt(self, messages, system=SYSTEM, tokens_per_tile=256):
        """Ids of a conversation [(role, parts)], ready for an answer. With
        `system` None there is no system block."""
        ids = [] if system is None else self.message("system", [system])
        for role, parts in messages:
            ids += self.message(role, parts, tokens_per_tile)
        return ids + [self.start, *self.encode("assistant\n")]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "weights")
    train(parser.parse_args().out)
