#!/usr/bin/env python3
"""Makes the tiny models under tests/data/models.

Two models, each in both layouts of internvl3.md; the two layouts of one model
hold the same numbers, and every number is exact in bfloat16:

  t1  like the 300M tower: LayerNorm, q/k/v bias; grouped queries; own lm_head
  t2  like the 6B tower: RMSNorm, q/k norm, no q/k/v bias; tied embeddings

  t1-hf      float32, one file, the tensor names of the 2025 uploads
  t1-custom  bfloat16, one file; the reference of the dtype tests too (T3)
  t2-hf      bfloat16, three shards and an index, the newer names, no lm_head
  t2-custom  bfloat16, one file, lm_head stored beside the equal embeddings

Every parameter is drawn afresh: the library's own initial values (zero biases,
unit norms, constant layer scale) would hide most bugs.
"""

import argparse
import collections
import json
import pathlib
import shutil
import zlib

import numpy as np
import safetensors.torch
import tokenizers
import torch
import transformers
from transformers import (InternVLConfig, InternVLForConditionalGeneration,
                          PretrainedConfig, Qwen2Config)

from common import DATA, HERE, provenance, sha256
from tokenizer_files import (ADDED_TOKENS, SPLIT_REGEX, write_custom_tokenizer,
                             write_hf_tokenizer, write_json)

VOCAB_SIZE = 512
NUM_REGULAR_TOKENS = 476  # so that <IMG_CONTEXT> is 500
IMAGE_TOKEN_ID = 500
SEED = {"t1": 2, "t2": 2}
# Of decoder weights. Smaller ones let a long picture drown the latest token,
# and greedy decoding repeats itself.
DECODER_STD = {"t1": 0.13, "t2": 0.15}
LICENSE = HERE.parent.parent / "LICENSE"  # the English that merges come from


def make_config(name):
    wide = name == "t1"
    text = Qwen2Config(
        vocab_size=VOCAB_SIZE,
        hidden_size=96 if wide else 64,
        num_hidden_layers=3,
        num_attention_heads=6 if wide else 4,
        num_key_value_heads=2 if wide else 4,
        intermediate_size=160,
        rms_norm_eps=1e-6,
        rope_theta=1e6,
        rope_scaling={"type": "dynamic", "rope_type": "dynamic", "factor": 2.0},
        max_position_embeddings=32768,
        tie_word_embeddings=not wide,
        bos_token_id=476,
        eos_token_id=478,
    )
    vision = {
        "hidden_size": 64 if wide else 80,
        "num_hidden_layers": 2,
        "num_attention_heads": 4 if wide else 5,
        "intermediate_size": 128 if wide else 160,
        "image_size": [448, 448],
        "patch_size": [14, 14],
        "norm_type": "layer_norm" if wide else "rms_norm",
        "attention_bias": wide,
        "use_qk_norm": not wide,
        "hidden_act": "gelu",
    }
    return InternVLConfig(vision_config=vision, text_config=text,
                          image_token_id=IMAGE_TOKEN_ID, image_seq_length=256,
                          downsample_ratio=0.5, tie_word_embeddings=not wide)


def draw(model, name, shape):
    """The value of one parameter, from its name and the model's seed alone."""
    generator = np.random.default_rng([SEED[model], zlib.crc32(name.encode())])
    noise = generator.standard_normal(shape)
    leaf = name.split(".")[-1]
    if leaf in ("cls_token", "position_embeddings"):
        value = 0.5 * noise
    elif leaf in ("lambda_1", "lambda_2"):
        value = 0.5 + 0.1 * noise
    elif leaf == "bias":
        value = 0.1 * noise
    elif "norm" in name:
        value = 1 + 0.1 * noise
    elif "patch_embeddings" in name:
        value = 0.05 * noise
    elif "language_model.layers" in name:
        sharp = "q_proj" in name or "k_proj" in name  # looks somewhere
        value = DECODER_STD[model] * (1.25 if sharp else 1) * noise
    elif name == "lm_head.weight":
        # Small logits keep bfloat16 noise well under the gap of 0.1 that the
        # bfloat16 goldens call clear.
        value = 0.05 * noise
    elif "q_proj" in name or "k_proj" in name:
        value = 0.15 * noise
    else:
        value = 0.1 * noise
    return torch.from_numpy(value).to(torch.bfloat16).to(torch.float32)


def make_model(name):
    model = InternVLForConditionalGeneration(make_config(name)).eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            parameter.copy_(draw(name, key, tuple(parameter.shape)))
    model.tie_weights()
    return model


# ----------------------------------------------------------- names of tensors


def hf_2025_name(name):
    """In-memory name -> spelling of the 2025 uploads."""
    if name == "lm_head.weight":
        return "language_model.lm_head.weight"
    name = name.removeprefix("model.")
    return name.replace("language_model.", "language_model.model.", 1)


def to_custom(state):
    """In-memory HF tensors -> CUSTOM tensors, internvl3.md 6.1."""
    out = {}
    for name, value in state.items():
        name = hf_2025_name(name)
        if ".attention.k_proj." in name or ".attention.v_proj." in name:
            continue
        if ".attention.q_proj." in name:
            parts = [state["model." + name.replace("q_proj", part)]
                     for part in ("q_proj", "k_proj", "v_proj")]
            value = torch.cat(parts)
            name = name.replace("q_proj", "qkv")
        if name.startswith("vision_tower."):
            for old, new in [
                ("vision_tower.", "vision_model."),
                ("cls_token", "class_embedding"),
                ("patch_embeddings.projection", "patch_embedding"),
                ("position_embeddings", "position_embedding"),
                ("encoder.layer.", "encoder.layers."),
                ("attention.projection_layer", "attn.proj"),
                ("attention.", "attn."),
                ("layernorm_before", "norm1"), ("layernorm_after", "norm2"),
                ("lambda_1", "ls1"), ("lambda_2", "ls2"),
            ]:
                name = name.replace(old, new)
        for old, new in [("layer_norm", "0"), ("linear_1", "1"),
                         ("linear_2", "3")]:
            name = name.replace(f"multi_modal_projector.{old}", f"mlp1.{new}")
        out[name] = value
    return out


# ----------------------------------------------------------------------- files


def clean(directory):
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)


def save(path, tensors, dtype):
    safetensors.torch.save_file(
        {name: value.detach().to(dtype).clone().contiguous()
         for name, value in sorted(tensors.items())},
        path, metadata={"format": "pt"})
    path.chmod(0o644)


def save_sharded(directory, tensors, dtype, num_shards):
    """Shards of about equal size, in the model's own order, and the index."""
    total = sum(value.numel() for value in tensors.values())
    shards = collections.defaultdict(dict)
    done = 0
    for name, value in tensors.items():
        shards[min(done * num_shards // total, num_shards - 1)][name] = value
        done += value.numel()
    weight_map = {}
    for index in range(num_shards):
        file = f"model-{index + 1:05d}-of-{num_shards:05d}.safetensors"
        save(directory / file, shards[index], dtype)
        weight_map |= {name: file for name in shards[index]}
    write_json(directory / "model.safetensors.index.json", {
        "metadata": {"total_size": total * dtype.itemsize},
        "weight_map": dict(sorted(weight_map.items())),
    })


def custom_config(config):
    """`config.json` as the CUSTOM repositories have it, internvl3.md 1.4."""
    text, vision = config.text_config, config.vision_config
    return {
        "architectures": ["InternVLChatModel"],
        "auto_map": {
            "AutoConfig": "configuration_internvl_chat.InternVLChatConfig",
            "AutoModel": "modeling_internvl_chat.InternVLChatModel",
            "AutoModelForCausalLM":
                "modeling_internvl_chat.InternVLChatModel",
        },
        "downsample_ratio": 0.5,
        "dynamic_image_size": True,
        "force_image_size": 448,
        "hidden_size": text.hidden_size,
        "image_fold": None,
        "llm_config": {
            "architectures": ["Qwen2ForCausalLM"],
            "attention_dropout": 0.0,
            # Real repositories say <|endoftext|> here: the wrong stop id.
            "bos_token_id": 476,
            "eos_token_id": 476,
            "hidden_act": "silu",
            "hidden_size": text.hidden_size,
            "initializer_range": 0.02,
            "intermediate_size": text.intermediate_size,
            "max_position_embeddings": text.max_position_embeddings,
            "max_window_layers": 70,
            "model_type": "qwen2",
            "moe_config": None,
            "num_attention_heads": text.num_attention_heads,
            "num_hidden_layers": text.num_hidden_layers,
            "num_key_value_heads": text.num_key_value_heads,
            "rms_norm_eps": text.rms_norm_eps,
            "rope_scaling": {"factor": 2.0, "rope_type": "dynamic",
                             "type": "dynamic"},
            "rope_theta": 1000000.0,
            "sliding_window": None,
            "tie_word_embeddings": text.tie_word_embeddings,
            "torch_dtype": "bfloat16",
            "use_bfloat16": True,
            "use_cache": False,
            "use_sliding_window": False,
            "vocab_size": text.vocab_size,
        },
        "max_dynamic_patch": 12,
        "min_dynamic_patch": 1,
        "model_type": "internvl_chat",
        "output_attentions": False,
        "pad2square": False,
        "ps_version": "v2",
        "select_layer": -1,
        "system_message": None,
        "template": "internvl2_5",
        "tie_word_embeddings": text.tie_word_embeddings,
        "torch_dtype": "bfloat16",
        "transformers_version": None,
        "use_backbone_lora": 0,
        "use_llm_lora": 0,
        "use_thumbnail": True,
        "vision_config": {
            "architectures": ["InternVisionModel"],
            "attention_dropout": 0.0,
            "capacity_factor": 1.2,
            "drop_path_rate": 0.1,
            "dropout": 0.0,
            "hidden_act": "gelu",
            "hidden_size": vision.hidden_size,
            "image_size": 448,
            "initializer_factor": 0.1,
            "initializer_range": 1e-10,
            "intermediate_size": vision.intermediate_size,
            "layer_norm_eps": 1e-6,
            "model_type": "intern_vit_6b",
            "norm_type": vision.norm_type,
            "num_attention_heads": vision.num_attention_heads,
            "num_channels": 3,
            "num_experts": 8,
            "num_hidden_layers": vision.num_hidden_layers,
            "patch_size": 14,
            "qk_normalization": vision.use_qk_norm,
            "qkv_bias": vision.attention_bias,
            "torch_dtype": "bfloat16",
            "use_bfloat16": True,
            "use_flash_attn": True,
            "use_moe": False,
        },
    }


PREPROCESSOR_CONFIG = {
    "crop_size": None,
    "crop_to_patches": False,
    "data_format": "channels_first",
    "default_to_square": True,
    "device": None,
    "do_center_crop": None,
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_processor_type": "GotOcr2ImageProcessorFast",
    "image_std": [0.229, 0.224, 0.225],
    "input_data_format": None,
    "max_patches": 12,
    "min_patches": 1,
    "processor_class": "InternVLProcessor",
    "resample": 3,
    "rescale_factor": 0.00392156862745098,
    "return_tensors": None,
    "size": {"height": 448, "width": 448},
}


def hf_config(config):
    """`config.json` of the HF layout without the library's boilerplate."""
    boilerplate = PretrainedConfig().to_dict()
    kept = {key: hf_config(value) if key.endswith("_config") else value
            for key, value in (config if isinstance(config, dict)
                               else config.to_dict()).items()
            if key == "tie_word_embeddings" or key not in boilerplate
            or value != boilerplate[key]}
    kept.pop("dtype", None)
    return dict(sorted(kept.items()))


def write_hf(directory, model, tensors, dtype, num_shards, tokenizer,
             merges_as_pairs):
    clean(directory)
    config = hf_config(model.config) | {
        "architectures": ["InternVLForConditionalGeneration"],
        # The key was renamed in 2025; both are in use.
        "torch_dtype" if num_shards == 1 else "dtype":
            str(dtype).removeprefix("torch."),
    }
    write_json(directory / "config.json", dict(sorted(config.items())))
    if num_shards == 1:
        save(directory / "model.safetensors", tensors, dtype)
    else:
        save_sharded(directory, tensors, dtype, num_shards)
    write_json(directory / "generation_config.json", {
        "_from_model_config": True, "bos_token_id": 476, "eos_token_id": 478,
        "transformers_version": transformers.__version__,
    })
    write_json(directory / "preprocessor_config.json", PREPROCESSOR_CONFIG)
    write_json(directory / "processor_config.json", {
        "image_seq_length": 256, "processor_class": "InternVLProcessor"})
    write_hf_tokenizer(directory, *tokenizer, merges_as_pairs)


def write_custom(directory, model, tensors, dtype, tokenizer):
    clean(directory)
    write_json(directory / "config.json", custom_config(model.config))
    save(directory / "model.safetensors", tensors, dtype)
    write_json(directory / "generation_config.json", {
        "_from_model_config": True, "transformers_version": "4.37.2"})
    write_custom_tokenizer(directory, *tokenizer)


def train_tokenizer():
    """(vocab, merges, added): 256 bytes, merges of English, added tokens."""
    pre = tokenizers.pre_tokenizers
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.normalizer = tokenizers.normalizers.NFC()
    tokenizer.pre_tokenizer = pre.Sequence([
        pre.Split(tokenizers.Regex(SPLIT_REGEX), "isolated"),
        pre.ByteLevel(add_prefix_space=False, use_regex=False)])
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=NUM_REGULAR_TOKENS, show_progress=False,
        initial_alphabet=pre.ByteLevel.alphabet())
    chat = ["system\n", "user\n", "assistant\n", "Please describe the image.",
            "What is in the picture?", "Hello, who are you?"] * 20
    tokenizer.train_from_iterator([LICENSE.read_text()] + chat, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    vocab = dict(sorted(model["vocab"].items(), key=lambda item: item[1]))
    added = [(token, NUM_REGULAR_TOKENS + i, special)
             for i, (token, special) in enumerate(ADDED_TOKENS)]
    assert list(vocab.values()) == list(range(NUM_REGULAR_TOKENS))
    assert dict((t, i) for t, i, _ in added)["<IMG_CONTEXT>"] == IMAGE_TOKEN_ID
    return vocab, [tuple(merge) for merge in model["merges"]], added


# ---------------------------------------------------------------------- checks


def read_tensors(directory):
    tensors = {}
    for file in sorted(directory.glob("*.safetensors")):
        tensors |= safetensors.torch.load_file(file)
    return {name: value.float() for name, value in tensors.items()}


def check(model, hf, custom):
    """Both directories hold the model's numbers; transformers reads the HF one."""
    state = model.state_dict()
    loaded = InternVLForConditionalGeneration.from_pretrained(
        hf, dtype=torch.float32).state_dict()
    assert loaded.keys() == state.keys()
    for name, value in state.items():
        assert torch.equal(loaded[name], value), name
    stored = read_tensors(custom)
    expected = to_custom(state)
    assert stored.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(stored[name], value), name
    count = collections.Counter(name.split(".")[0] for name in stored)
    layers = model.config.vision_config.num_hidden_layers
    per_layer = 13 if model.config.vision_config.use_qk_norm else 14
    assert count["vision_model"] == 4 + per_layer * layers, count
    assert count["mlp1"] == 6
    assert count["language_model"] == 3 + 12 * 3


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, default=DATA / "models")
    out = parser.parse_args().out
    tokenizer = train_tokenizer()
    for name in ("t1", "t2"):
        model = make_model(name)
        state = model.state_dict()
        hf, custom = out / f"{name}-hf", out / f"{name}-custom"
        if name == "t1":
            tensors = {hf_2025_name(k): v for k, v in state.items()}
            write_hf(hf, model, tensors, torch.float32, 1, tokenizer,
                     merges_as_pairs=True)
        else:
            tensors = {k: v for k, v in state.items() if k != "lm_head.weight"}
            write_hf(hf, model, tensors, torch.bfloat16, 3, tokenizer,
                     merges_as_pairs=False)
        write_custom(custom, model, to_custom(state), torch.bfloat16, tokenizer)
        check(model, hf, custom)
    files = {str(file.relative_to(out)): sha256(file.read_bytes())
             for file in sorted(out.glob("t*/*"))}
    write_json(out / "manifest.json",
               {"made_by": provenance(__file__), "sha256": files})


if __name__ == "__main__":
    main()
