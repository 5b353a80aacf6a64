"""Loads the weights into Hugging Face's InternVL and compares the answers.

Needs transformers 4.57. Logits and greedy tokens must agree with model.py in
float32, for a picture of several tiles.
"""

import pathlib
import re

import torch
from safetensors.torch import load_file
from transformers import InternVLConfig, InternVLForConditionalGeneration

import model
import tiles
import tokenizer
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
LAYER = {"attn.proj": "attention.projection_layer", "norm1": "layernorm_before", "norm2": "layernorm_after", "mlp": "mlp"}


def rename(state):
    """Names of InternVL's own layout to those of Hugging Face's classes."""
    result = {}
    for name, value in state.items():
        name = name.replace("language_model.model.", "model.language_model.").replace("language_model.lm_head", "lm_head")
        for ours, theirs in (("mlp1.0", "layer_norm"), ("mlp1.1", "linear_1"), ("mlp1.3", "linear_2")):
            name = name.replace(ours, "model.multi_modal_projector." + theirs)
        for ours, theirs in (("class_embedding", "cls_token"), ("patch_embedding", "patch_embeddings.projection"),
                             ("position_embedding", "position_embeddings")):
            name = name.replace("vision_model.embeddings." + ours, "model.vision_tower.embeddings." + theirs)
        found = re.fullmatch(r"vision_model\.encoder\.layers\.(\d+)\.(.*)", name)
        if found:
            stem = f"model.vision_tower.encoder.layer.{found[1]}."
            rest = found[2]
            if rest.startswith("attn.qkv"):
                for part, one in zip("qkv", value.chunk(3)):
                    result[f"{stem}attention.{part}_proj.{rest.split('.')[-1]}"] = one
                continue
            rest = re.sub(r"^ls(\d)", r"lambda_\1", rest)
            for ours, theirs in LAYER.items():
                rest = re.sub("^" + re.escape(ours), theirs, rest)
            name = stem + rest
        result[name] = value
    return result


def main():
    directory = HERE / "weights"
    ours, words = model.load(directory), tokenizer.DemoTokenizer(directory)
    config = ours.config
    vision = config["vision_config"]
    theirs = InternVLForConditionalGeneration(InternVLConfig(
        vision_config=dict(hidden_size=vision["hidden_size"], num_hidden_layers=vision["num_hidden_layers"],
                           num_attention_heads=vision["num_attention_heads"], intermediate_size=vision["intermediate_size"],
                           image_size=[448, 448], patch_size=[14, 14], attention_bias=True, layer_norm_eps=vision["layer_norm_eps"]),
        text_config=config["llm_config"], image_token_id=words.image, image_seq_length=256, tie_word_embeddings=False))
    theirs.load_state_dict({k: v.float() for k, v in rename(load_file(directory / "model.safetensors")).items()})
    theirs.float().eval()
    for path in sorted((HERE / "pictures").glob("*.*g"))[:2]:
        cut = tiles.normalise(tiles.cut(Image.open(path)))
        ids = words.prompt([("user", [len(cut), "What is in the picture?"])])
        with torch.inference_mode():
            visual = ours.encode(cut).flatten(0, 1)
            answer = ours.generate(ids, words.image, visual, (words.end, words.pad))
            row = torch.tensor([ids])
            generated = theirs.generate(input_ids=row, pixel_values=cut, attention_mask=torch.ones_like(row), do_sample=False,
                                        max_new_tokens=64, eos_token_id=words.end, pad_token_id=words.pad)[0, len(ids):].tolist()
            logits = theirs(input_ids=row, pixel_values=cut).logits[0, -1]
            x = ours.embed(row[0], words.image, visual)[None]
            caches = [model.Cache() for _ in ours.language_model.model.layers]
            mine = ours.language_model.lm_head(ours.language_model.model(x, torch.arange(len(ids))[None], caches)[0, -1])
        print(f"{path.name}: {len(cut)} tiles, {words.decode(answer)!r}, largest difference of logits {float((logits - mine).abs().max()):.1e}")
        assert generated[:-1] == answer and generated[-1] == words.end, (words.decode(generated), words.decode(answer))
    print("Hugging Face's model gives the same answers.")


if __name__ == "__main__":
    main()
