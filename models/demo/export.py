"""Writes a trained model.pt as a model directory: configuration and weights.
The tokenizer's files are there already (tokenizer.py)."""

import argparse
import json
import pathlib

import torch
from safetensors.torch import save_file

from model import CONFIG, InternVL
from tokenizer import DemoTokenizer

HERE = pathlib.Path(__file__).resolve().parent
MOST = 24 * 1024 * 1024  # bytes


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "weights")
    args = parser.parse_args()
    tokenizer = DemoTokenizer(args.out)
    assert CONFIG["llm_config"]["eos_token_id"] == tokenizer.end
    state = torch.load(args.model)
    InternVL(CONFIG).load_state_dict(state)  # names and shapes fit, all of them
    save_file({k: v.bfloat16().contiguous() for k, v in state.items()}, args.out / "model.safetensors", metadata={"format": "pt"})
    write = lambda name, value: (args.out / name).write_text(json.dumps(value, indent=2) + "\n")
    write("config.json", CONFIG)
    write("generation_config.json", {"do_sample": False, "max_new_tokens": 256, "pad_token_id": tokenizer.pad,
                                     "eos_token_id": [tokenizer.end, tokenizer.pad]})
    size = (args.out / "model.safetensors").stat().st_size
    assert size <= MOST, size
    print(f"{sum(v.numel() for v in state.values()):,} parameters, {size:,} bytes")


if __name__ == "__main__":
    main()
