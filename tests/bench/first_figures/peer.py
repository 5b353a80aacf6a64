"""Transformers answering the same requests as Tandem: one process, one model.

    python3 peer.py CONFIG_DIR DTYPE THREADS

CONFIG_DIR is in the Hugging Face layout; weights are noise of the size that
trained ones have, made in place, so that the peak memory of this process holds
nothing that only loading needs. Reads requests as JSON lines on standard input,
{"image": FILE, "text_tokens": N, "new_tokens": N}, and answers each by a JSON
line on standard output. Times are in milliseconds and begin before the picture
is opened.
"""

import json
import resource
import sys
import time

import torch
import transformers
from PIL import Image
from transformers import (
    GotOcr2ImageProcessor,
    InternVLConfig,
    InternVLForConditionalGeneration,
)
from transformers.modeling_utils import no_init_weights

IMAGENET_MEAN = [0.485, 0.456, 0.406]
IMAGENET_STD = [0.229, 0.224, 0.225]


def build(config, dtype):
    with no_init_weights():
        model = InternVLForConditionalGeneration._from_config(
            config, dtype=dtype, attn_implementation="sdpa"
        )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name and name.endswith(".weight"):
                parameter.fill_(1.0)
            elif "lambda_" in name:
                parameter.fill_(0.1)
            else:
                parameter.normal_(0.0, 0.02)
    # Parts that a sub-configuration has made in a dtype of its own.
    return model.to(dtype).eval()


class Stopwatch:
    """A streamer that notes when each new token is there."""

    def __init__(self):
        self.seen_prompt = False
        self.token_times = []

    def put(self, value):
        if self.seen_prompt:
            self.token_times.append(time.perf_counter())
        self.seen_prompt = True

    def end(self):
        pass


class Encode:
    """Time from the vision tower's begin to the projector's end."""

    def __init__(self, model):
        inner = model.model
        inner.vision_tower.register_forward_pre_hook(self._begin)
        inner.multi_modal_projector.register_forward_hook(self._end)
        self.seconds = 0.0

    def _begin(self, *_):
        self.began = time.perf_counter()

    def _end(self, *_):
        self.seconds = time.perf_counter() - self.began


def prompt_ids(config, text_tokens):
    """Text before and after the tile; which text makes no difference in time."""
    before = text_tokens // 4
    text = torch.arange(text_tokens) % 256
    image = torch.full((config.image_seq_length,), config.image_token_id)
    return torch.cat([text[:before], image, text[before:]]).unsqueeze(0)


def answer(model, config, processor, encode, request):
    streamer = Stopwatch()
    begin = time.perf_counter()
    picture = Image.open(request["image"]).convert("RGB")
    pixels = processor(picture, return_tensors="pt")["pixel_values"].to(model.dtype)
    ids = prompt_ids(config, request["text_tokens"])
    preprocessed = time.perf_counter()
    model.generate(
        input_ids=ids,
        pixel_values=pixels,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=request["new_tokens"],
        eos_token_id=None,
        pad_token_id=0,
        streamer=streamer,
    )
    times = streamer.token_times
    assert len(times) == request["new_tokens"], times
    first = times[0] - begin
    return {
        "prompt_tokens": ids.shape[1],
        "new_tokens": len(times),
        "first_token": 1e3 * first,
        "timings": {
            "preprocess": 1e3 * (preprocessed - begin),
            "encode": 1e3 * encode.seconds,
        },
        "prefill": 1e3 * (times[0] - preprocessed - encode.seconds),
        "decode": 1e3 * (times[-1] - times[0]),
        "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }


def main():
    config_dir, dtype, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    torch.manual_seed(1)
    config = InternVLConfig.from_pretrained(config_dir)
    model = build(config, getattr(torch, dtype))
    size = dict(zip(("height", "width"), config.vision_config.image_size))
    processor = GotOcr2ImageProcessor(
        size=size,
        crop_to_patches=False,
        image_mean=IMAGENET_MEAN,
        image_std=IMAGENET_STD,
    )
    encode = Encode(model)
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    print(json.dumps({"versions": versions}), flush=True)
    with torch.inference_mode():
        for line in sys.stdin:
            request = json.loads(line)
            done = answer(model, config, processor, encode, request)
            print(json.dumps(done), flush=True)


if __name__ == "__main__":
    main()
