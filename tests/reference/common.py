"""What the golden makers share: pictures, tiles, prompts, and provenance.

Every rule here is the Python reference's own (the CUSTOM layout of InternVL3),
written down once more so that it can be read beside the C++.
"""

import hashlib
import importlib.metadata
import json
import pathlib
import platform
import sys
import zlib

import numpy as np
from PIL import Image

from tokenizer_files import tokenizer_json, write_json  # noqa: F401

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE.parent / "data"

TILE_SIZE = 448  # pixels
TOKENS_PER_TILE = 256

DEFAULT_SYSTEM = ("你是书生·万象，英文名是InternVL，是由上海人工智能实验室、"
                  "清华大学及多家合作单位联合开发的多模态大语言模型。")


# ---------------------------------------------------------------- provenance


def provenance(script):
    """Versions and digests that say how an output was made."""
    names = ["torch", "transformers", "tokenizers", "safetensors", "pillow",
             "numpy"]
    versions = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    versions["python"] = platform.python_version()
    files = {pathlib.Path(script).resolve(), HERE / "common.py",
             HERE / "tokenizer_files.py"}
    return {
        "versions": versions,
        "scripts_sha256": {f.name: sha256(f.read_bytes())
                           for f in sorted(files)},
    }


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def crc32(data):
    return f"{zlib.crc32(bytes(data)) & 0xffffffff:08x}"


# ------------------------------------------------------------------ pictures


def synthetic_image(width, height):
    """The picture of appendix A: m = 31x + 17y + 13((xy) >> 3), RGB."""
    x = np.arange(width, dtype=np.int64)[None, :]
    y = np.arange(height, dtype=np.int64)[:, None]
    m = 31 * x + 17 * y + 13 * ((x * y) >> 3)
    rgb = np.stack([m & 255, (m + 89) & 255, (m + 178) & 255], axis=-1)
    return Image.fromarray(rgb.astype(np.uint8), "RGB")


def choose_tile_grid(width, height, max_tiles, min_tiles=1,
                     tile_size=TILE_SIZE):
    """find_closest_aspect_ratio: (columns, rows)."""
    ratios = [(i, j)
              for i in range(1, max_tiles + 1)
              for j in range(1, max_tiles + 1)
              if min_tiles <= i * j <= max_tiles]
    ratios.sort(key=lambda r: r[0] * r[1])
    aspect = width / height
    best, best_difference = (1, 1), float("inf")
    for i, j in ratios:
        difference = abs(aspect - i / j)
        if difference < best_difference:
            best, best_difference = (i, j), difference
        elif (difference == best_difference and
              width * height > 0.5 * tile_size * tile_size * i * j):
            best = (i, j)
    return best


def cut_tiles(image, max_tiles, use_thumbnail=True):
    """dynamic_preprocess: ((columns, rows), tiles in prompt order)."""
    assert image.mode == "RGB"
    size = TILE_SIZE
    columns, rows = choose_tile_grid(*image.size, max_tiles)
    mosaic = image.resize((columns * size, rows * size))
    tiles = []
    for k in range(columns * rows):
        x, y = k % columns * size, k // columns * size
        tiles.append(mosaic.crop((x, y, x + size, y + size)))
    if use_thumbnail and len(tiles) != 1:
        tiles.append(image.resize((size, size)))
    return (columns, rows), tiles


def normalise(tiles):
    """torchvision ToTensor + Normalize with ImageNet's numbers, [n,3,448,448]."""
    mean = np.array([0.485, 0.456, 0.406], np.float32).reshape(1, 3, 1, 1)
    std = np.array([0.229, 0.224, 0.225], np.float32).reshape(1, 3, 1, 1)
    pixels = np.stack([np.asarray(t) for t in tiles]).transpose(0, 3, 1, 2)
    scaled = pixels.astype(np.float32) / np.float32(255)
    return np.ascontiguousarray((scaled - mean) / std)


def check_against_published_vectors():
    """The preprocessing vectors of internvl3.md appendix A and 2.7."""
    vectors = {
        (64, 48, 16, 16): "515edae3", (17, 23, 64, 64): "44b1b620",
        (800, 600, 1792, 1344): "2ee45ea0", (800, 600, 448, 448): "e6819752",
        (448, 448, 896, 448): "2e8d7458", (1, 1, 4, 4): "a3a5801d",
        (100, 3000, 448, 5376): "26ac326a", (1920, 1080, 896, 448): "50197aa1",
    }
    for (w, h, to_w, to_h), want in vectors.items():
        got = crc32(synthetic_image(w, h).resize((to_w, to_h)).tobytes())
        assert got == want, (w, h, to_w, to_h, got, want)
    tiled = {
        (640, 480): "44a64e0b 81d1cf9f 86685e07 b0649aa5 08ebaf91 5eb5102f "
                    "1cfde281 aa52c8af ee5b834d 35dd50cf 71e02f7b 3d502844 "
                    "f0753af6",
        (300, 700): "11a03587 7207fca0 84e96930 013769db ac71f335 5746d2ca "
                    "e2a64ece 10d9fe93 8ac8bd1f cb26e1f1 a6b03c96",
        (500, 100): "c7548631 92fd1c9b 39222d92 ff65c611 0c8159bb 15a1cf17",
        (448, 448): "b41b8903",
        (896, 448): "b41b8903 59774be3 7714da2d",
    }
    for (w, h), want in tiled.items():
        _, tiles = cut_tiles(synthetic_image(w, h), 12)
        got = " ".join(crc32(t.tobytes()) for t in tiles)
        assert got == want, (w, h, got, want)
    ramp = [Image.fromarray(np.repeat(np.arange(256, dtype=np.uint8)[None, :,
                                                                     None], 3,
                                      axis=2), "RGB")]
    assert crc32(normalise(ramp).tobytes()) == "bd18b1b8"


# ------------------------------------------------------------------- prompts


class Prompt:
    """A prompt as text and as ids, built side by side.

    `encode_text` turns text into ids with no added token recognised; control
    words enter as ids only, so that text can never spell one.
    """

    def __init__(self, encode_text, token_id):
        self._encode_text = encode_text
        self._token_id = token_id
        self._pending = ""
        self.text = ""
        self.runs = []  # [id, count]
        self.image_spans = []

    def add_text(self, text):
        self._pending += text
        self.text += text

    def add_token(self, token, count=1):
        self.flush()
        self.text += token * count
        self._append(self._token_id(token), count)

    def add_image(self, index, num_tiles):
        self.add_token("<img>")
        self.image_spans.append({
            "image": index,
            "first": self.num_tokens(),
            "num_tokens": TOKENS_PER_TILE * num_tiles,
            "num_tiles": num_tiles,
        })
        self.add_token("<IMG_CONTEXT>", TOKENS_PER_TILE * num_tiles)
        self.add_token("</img>")
        self.add_text("\n")

    def flush(self):
        for token in self._encode_text(self._pending):
            self._append(token, 1)
        self._pending = ""

    def _append(self, token, count):
        if self.runs and self.runs[-1][0] == token:
            self.runs[-1][1] += count
        else:
            self.runs.append([token, count])

    def num_tokens(self):
        return sum(count for _, count in self.runs)

    def ids(self):
        assert not self._pending
        return [token for token, count in self.runs for _ in range(count)]


def render(messages, tiles_per_image, encode_text, token_id, profile="custom"):
    """The template of internvl3.md 3.1 (`custom`) or 3.4 (`hf`).

    Returns (prompt, system text); the system text is None where there is none.
    """
    prompt = Prompt(encode_text, token_id)
    system = None
    if messages[0]["role"] == "system":
        system = "".join(part["text"] for part in messages[0]["content"])
        messages = messages[1:]
    elif profile == "custom":
        system = DEFAULT_SYSTEM
    if system is not None:
        prompt.add_token("<|im_start|>")
        prompt.add_text("system\n" + system)
        prompt.add_token("<|im_end|>")
        prompt.add_text("\n")
    for message in messages:
        prompt.add_token("<|im_start|>")
        prompt.add_text(message["role"] + "\n")
        for part in message["content"]:
            if "image" in part:
                prompt.add_image(part["image"], tiles_per_image[part["image"]])
            else:
                prompt.add_text(part["text"])
        prompt.add_token("<|im_end|>")
        prompt.add_text("\n")
    prompt.add_token("<|im_start|>")
    prompt.add_text("assistant\n")
    prompt.flush()
    return prompt, system


def user(*parts):
    return {"role": "user", "content": content(parts)}


def assistant(*parts):
    return {"role": "assistant", "content": content(parts)}


def content(parts):
    """Numbers are image indices, strings are text."""
    return [{"image": p} if isinstance(p, int) else {"text": p} for p in parts]


def check_against_published_prompts():
    """The golden prompts of internvl3.md 3.3, by CRC-32 of their UTF-8."""
    assert crc32(DEFAULT_SYSTEM.encode()) == "2c321333"
    cases = [
        ([user("Hello, who are you?")], [], 256, "e3225569"),
        ([user(0, "Please describe the image shortly.")], [13], 43547,
         "80a52c87"),
        ([user(0, "Please describe the image in detail."), assistant("A cat."),
          user("Please write a poem according to the image.")], [7], 23691,
         "2a6dbe0d"),
        ([user("Image-1: ", 0, "Image-2: ", 1,
               "Describe the two images in detail.")], [7, 3], 33593,
         "de1f17af"),
    ]
    for messages, tiles, num_bytes, want in cases:
        prompt, _ = render(messages, tiles, lambda text: [], lambda token: 0)
        data = prompt.text.encode()
        assert (len(data), crc32(data)) == (num_bytes, want), messages


# ---------------------------------------------------------------- tokenizers


def load_tokenizer(directory):
    """(Encode, EncodeText): the fast library with and without added tokens.

    Reads tokenizer.json, else vocab.json + merges.txt + tokenizer_config.json.
    """
    import tokenizers
    directory = pathlib.Path(directory)
    if (directory / "tokenizer.json").exists():
        source = json.loads((directory / "tokenizer.json").read_text("utf-8"))
    else:
        vocab = json.loads((directory / "vocab.json").read_text("utf-8"))
        lines = (directory / "merges.txt").read_text("utf-8").split("\n")
        merges = [tuple(line.split(" ")) for line in lines
                  if line and not line.startswith("#version")]
        config = json.loads(
            (directory / "tokenizer_config.json").read_text("utf-8"))
        added = [(value["content"], int(i), value["special"])
                 for i, value in config["added_tokens_decoder"].items()]
        source = tokenizer_json(vocab, merges, added, merges_as_pairs=True)
    full = tokenizers.Tokenizer.from_str(json.dumps(source))
    plain = tokenizers.Tokenizer.from_str(
        json.dumps(source | {"added_tokens": []}))
    return full, plain


if __name__ == "__main__":
    check_against_published_vectors()
    check_against_published_prompts()
    print("agrees with internvl3.md 2.7, 3.3 and appendix A", file=sys.stderr)
