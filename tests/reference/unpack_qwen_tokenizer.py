#!/usr/bin/env python3
"""Unpacks the Qwen vocabulary into tokenizer directories of both layouts.

    unpack_qwen_tokenizer.py OUT_DIR

writes OUT_DIR/custom (vocab.json, merges.txt, added_tokens.json,
tokenizer_config.json, special_tokens_map.json) and OUT_DIR/hf (tokenizer.json,
tokenizer_config.json, chat_template.jinja), both with the 31 added tokens of
InternVL3. Needs the standard library only.

The merges alone are kept under third_party: the vocabulary is the 256 bytes
followed by what each merge makes, in rank order, ids 0 to 151642.
"""

import argparse
import hashlib
import lzma
import pathlib

from tokenizer_files import (ADDED_TOKENS, vocab_from_merges,
                             write_custom_tokenizer, write_hf_tokenizer)

PACKED = (pathlib.Path(__file__).resolve().parents[2] / "third_party" /
          "qwen-tokenizer" / "merges.txt.xz")
MERGES_SHA256 = "8831e4f1a044471340f7c0a83d7bd71306a5b867e95fd870f74d0c5308a904d5"
NUM_REGULAR_TOKENS = 151643


def unpack(out):
    text = lzma.decompress(PACKED.read_bytes())
    if hashlib.sha256(text).hexdigest() != MERGES_SHA256:
        raise SystemExit(f"{PACKED} is not the file this script was made for")
    lines = text.decode("utf-8").split("\n")[1:-1]
    merges = [tuple(line.split(" ")) for line in lines]
    vocab = vocab_from_merges(merges)
    if len(vocab) != NUM_REGULAR_TOKENS:
        raise SystemExit(f"{len(vocab)} regular tokens, not "
                         f"{NUM_REGULAR_TOKENS}")
    added = [(token, NUM_REGULAR_TOKENS + i, special)
             for i, (token, special) in enumerate(ADDED_TOKENS)]
    write_custom_tokenizer(out / "custom", vocab, merges, added)
    write_hf_tokenizer(out / "hf", vocab, merges, added)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    unpack(parser.parse_args().out)


if __name__ == "__main__":
    main()
