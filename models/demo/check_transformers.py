"""Loads the weights into Hugging Face's InternVL and compares the answers.

    python check_transformers.py                                   the demo's pictures, against model.py
    python check_transformers.py --questions DIR --answers FILE    against the answers that evaluate.py wrote

Needs transformers 4.57. Tiles and ids are those of this folder; greedy tokens,
in float32, must be the same one for one. Answers of Tandem compare when it ran
with `--dtype float32`. Of DIR's questions a sample is asked, so many of each row
as --sample says, or --all.
"""

import argparse
import json
import pathlib
import re
import sys
import time

import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import InternVLConfig, InternVLForConditionalGeneration

import evaluate
import make_pictures
import tiles
import tokenizer

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


def load(directory, words):
    """Hugging Face's model with the weights of a model directory."""
    config = json.loads((directory / "config.json").read_text())
    vision = config["vision_config"]
    theirs = InternVLForConditionalGeneration(InternVLConfig(
        vision_config=dict(hidden_size=vision["hidden_size"], num_hidden_layers=vision["num_hidden_layers"],
                           num_attention_heads=vision["num_attention_heads"], intermediate_size=vision["intermediate_size"],
                           image_size=[448, 448], patch_size=[14, 14], attention_bias=True, layer_norm_eps=vision["layer_norm_eps"]),
        text_config=config["llm_config"], image_token_id=words.image, image_seq_length=256, tie_word_embeddings=False))
    theirs.load_state_dict({k: v.float() for k, v in rename(load_file(directory / "model.safetensors")).items()})
    return theirs.float().eval()


def answer(theirs, words, question, folder):
    """Ids of the greedy answer, without the end."""
    cuts, conversation = [], []
    for message in question["messages"]:
        parts = []
        for part in message["content"]:
            if "image" in part:
                cuts.append(tiles.cut(Image.open(folder / part["image"]), question.get("max_tiles", tiles.MAX_TILES)))
                parts.append(len(cuts[-1]))
            else:
                parts.append(part["text"])
        conversation.append((message["role"], parts))
    row = torch.tensor([words.prompt(conversation)])
    pixels = {"pixel_values": tiles.normalise(torch.cat(cuts))} if cuts else {}
    with torch.inference_mode():
        ids = theirs.generate(input_ids=row, attention_mask=torch.ones_like(row), do_sample=False, max_new_tokens=evaluate.LONGEST,
                              eos_token_id=words.end, pad_token_id=words.pad, **pixels)[0, row.shape[1]:].tolist()
    return without_end(ids, words)


def without_end(ids, words):
    return ids[:-1] if ids and ids[-1] in (words.end, words.pad) else ids


def sampled(questions, each):
    """`each` questions of every row, evenly spread over it."""
    rows = {}
    for question in questions:
        rows.setdefault(question["row"], []).append(question)
    return [row[i * len(row) // min(each, len(row))] for row in rows.values() for i in range(min(each, len(row)))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, default=HERE / "weights")
    parser.add_argument("--questions", type=pathlib.Path)
    parser.add_argument("--answers", type=pathlib.Path, help="default: model.py's, computed here")
    parser.add_argument("--sample", type=int, default=4, help="questions of each row")
    parser.add_argument("--all", action="store_true")
    args = parser.parse_args()
    folder = args.questions or HERE / "pictures"
    questions = evaluate.load(folder) if args.questions else list(make_pictures.conversations(folder))
    if args.answers:
        about = json.loads(args.answers.open(encoding="utf-8").readline())["about"]
        if "float32" not in about["dtype"].lower():
            sys.exit(f"{args.answers} holds answers in {about['dtype']}, which need not be the same")
        expected = {key: value["tokens"] for key, value in evaluate.read_answers(args.answers, None).items()}
        questions = [question for question in questions if question["id"] in expected]
    if args.questions and not args.all:
        questions = sampled(questions, args.sample)
    if not args.answers:
        backend = evaluate.TorchBackend(args.model, "cpu", "float32")
        expected = {q["id"]: ids for q in questions for _, ids in backend.ask([q], folder, q.get("max_tiles", 0))}
    words = tokenizer.DemoTokenizer(args.model)
    theirs, different, started = load(args.model, words), 0, time.monotonic()
    for number, question in enumerate(questions, 1):
        ids, other = answer(theirs, words, question, folder), without_end(expected[question["id"]], words)
        if ids != other:
            different += 1
            print(f"{question['id']}: {words.decode(ids)!r} and {words.decode(other)!r}")
        if number % 20 == 0:
            spent = time.monotonic() - started
            left = spent * (len(questions) / number - 1)
            print(f"{number} of {len(questions)}, {different} different, {spent:.0f} s, about {left:.0f} s left",
                  file=sys.stderr, flush=True)
    print(f"{len(questions) - different} of {len(questions)} answers are Hugging Face's, token for token.")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
