"""InternVL in plain PyTorch: vision tower, projector and Qwen2 decoder.

Parameter names are those of InternVL3's own checkpoints, so `state_dict()` is
the file. Written from the specification of the format, not for speed: the
reference that the server's answers can be compared with.
"""

import json
import pathlib

import torch
import torch.nn.functional as F
from torch import nn

from tokenizer import ADDED, VOCABULARY

CONFIG = {
    "architectures": ["InternVLChatModel"],
    "model_type": "internvl_chat",
    "downsample_ratio": 0.5,
    "dynamic_image_size": True,
    "force_image_size": 448,
    "image_fold": None,
    "max_dynamic_patch": 12,
    "min_dynamic_patch": 1,
    "pad2square": False,
    "ps_version": "v2",
    "select_layer": -1,
    "template": "internvl2_5",
    "use_thumbnail": True,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "llm_config": {
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "vocab_size": VOCABULARY, "hidden_size": 256,
        "intermediate_size": 768, "num_hidden_layers": 6, "num_attention_heads": 4, "num_key_value_heads": 2, "hidden_act": "silu",
        "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0,
        "rope_scaling": {"type": "dynamic", "rope_type": "dynamic", "factor": 2.0}, "tie_word_embeddings": False,
        "use_sliding_window": False, "sliding_window": None, "attention_dropout": 0.0, "initializer_range": 0.02,
        "bos_token_id": VOCABULARY - len(ADDED), "eos_token_id": VOCABULARY - len(ADDED) + 2, "torch_dtype": "bfloat16", "use_cache": True},
    "vision_config": {
        "architectures": ["InternVisionModel"], "model_type": "intern_vit_6b", "hidden_size": 256, "intermediate_size": 1024,
        "num_hidden_layers": 7, "num_attention_heads": 4, "num_channels": 3, "image_size": 448, "patch_size": 14,
        "norm_type": "layer_norm", "layer_norm_eps": 1e-6, "qkv_bias": True, "qk_normalization": False, "hidden_act": "gelu",
        "initializer_factor": 0.1, "initializer_range": 0.02, "attention_dropout": 0.0, "drop_path_rate": 0.0, "dropout": 0.0,
        "use_flash_attn": True, "torch_dtype": "bfloat16"},
}


# ---- Vision tower -----------------------------------------------------------

class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        b, n, d = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, d))


class Mlp(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.fc1 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class VisionLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        width, eps = config["hidden_size"], config["layer_norm_eps"]
        self.attn = Attention(width, config["num_attention_heads"])
        self.mlp = Mlp(width, config["intermediate_size"])
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.ls1 = nn.Parameter(torch.ones(width))
        self.ls2 = nn.Parameter(torch.ones(width))

    def forward(self, x):
        x = x + self.ls1 * self.attn(self.norm1(x))
        return x + self.ls2 * self.mlp(self.norm2(x))


class VisionEmbeddings(nn.Module):
    def __init__(self, config):
        super().__init__()
        width, patch = config["hidden_size"], config["patch_size"]
        self.side = config["image_size"] // patch
        self.class_embedding = nn.Parameter(torch.zeros(1, 1, width))
        self.patch_embedding = nn.Conv2d(3, width, patch, patch)
        self.position_embedding = nn.Parameter(torch.zeros(1, self.side ** 2 + 1, width))

    def forward(self, tiles, corner=None):
        """tiles [n, 3, h, w]. `corner` [n, 2] places tiles smaller than the
        model's at a row and column of its grid of positions (training only)."""
        patches = F.conv2d(tiles, self.patch_embedding.weight, self.patch_embedding.bias, stride=self.patch_embedding.stride)
        n, width, rows, columns = patches.shape
        positions = self.position_embedding[0, 1:]
        if corner is not None:
            row = corner[:, :1] + torch.arange(rows, device=tiles.device)
            column = corner[:, 1:] + torch.arange(columns, device=tiles.device)
            positions = positions[(row[:, :, None] * self.side + column[:, None, :]).flatten(1)]
        x = patches.flatten(2).transpose(1, 2) + positions
        first = self.class_embedding + self.position_embedding[:, :1]
        return torch.cat((first.expand(n, 1, width), x), 1)


class VisionModel(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embeddings = VisionEmbeddings(config)
        self.encoder = nn.Module()
        self.encoder.layers = nn.ModuleList(VisionLayer(config) for _ in range(config["num_hidden_layers"]))

    def forward(self, tiles, corner=None):
        x = self.embeddings(tiles, corner)
        for layer in self.encoder.layers:
            x = layer(x)
        return x[:, 1:]


def pixel_shuffle(x):
    """[n, rows * columns, v] of a square grid to a quarter of the tokens, each
    of its 2x2 neighbours side by side: [n, tokens / 4, 4 v]."""
    n, tokens, width = x.shape
    side = int(tokens ** 0.5)
    x = x.view(n, side // 2, 2, side // 2, 2, width).transpose(2, 3)
    return x.reshape(n, tokens // 4, 4 * width)


# ---- Decoder ----------------------------------------------------------------

class RmsNorm(nn.Module):
    def __init__(self, width, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x):
        y = x.float()
        return self.weight * (y * torch.rsqrt(y.square().mean(-1, keepdim=True) + self.eps)).to(x.dtype)


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat((-b, a), -1) * sin


class SelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        width, self.heads, self.kv_heads = (config[k] for k in ("hidden_size", "num_attention_heads", "num_key_value_heads"))
        self.head_dim = width // self.heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, self.kv_heads * self.head_dim)
        self.v_proj = nn.Linear(width, self.kv_heads * self.head_dim)
        self.o_proj = nn.Linear(width, width, bias=False)


class GatedMlp(nn.Module):
    def __init__(self, config):
        super().__init__()
        width, inner = config["hidden_size"], config["intermediate_size"]
        self.gate_proj = nn.Linear(width, inner, bias=False)
        self.up_proj = nn.Linear(width, inner, bias=False)
        self.down_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class DecoderLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.self_attn = SelfAttention(config)
        self.mlp = GatedMlp(config)
        self.input_layernorm = RmsNorm(config["hidden_size"], config["rms_norm_eps"])
        self.post_attention_layernorm = RmsNorm(config["hidden_size"], config["rms_norm_eps"])

    def forward(self, x, cos, sin, attend):
        return self.mix(x, attend(*self.project(x, cos, sin)))

    def project(self, x, cos, sin):
        a = self.self_attn
        x = self.input_layernorm(x)
        heads = lambda y, count: y.view(*y.shape[:2], count, a.head_dim).transpose(1, 2)
        return (rotate(heads(a.q_proj(x), a.heads), cos, sin), rotate(heads(a.k_proj(x), a.kv_heads), cos, sin),
                heads(a.v_proj(x), a.kv_heads))

    def mix(self, x, attended):
        x = x + self.self_attn.o_proj(attended.transpose(1, 2).flatten(2))
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config["vocab_size"], config["hidden_size"])
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config["num_hidden_layers"]))
        self.norm = RmsNorm(config["hidden_size"], config["rms_norm_eps"])

    def forward(self, x, positions, attends):
        """x [b, n, h]; positions [b, n]; one attend(q, k, v) a layer, with 4
        dimensions [b, heads, n, head_dim] and q already rotated."""
        head_dim = self.config["hidden_size"] // self.config["num_attention_heads"]
        exponents = torch.arange(0, head_dim, 2, device=x.device, dtype=torch.float32) / head_dim
        angles = positions[:, None, :, None].float() * (1.0 / self.config["rope_theta"] ** exponents)
        angles = torch.cat((angles, angles), -1)
        cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        for layer, attend in zip(self.layers, attends):
            x = layer(x, cos, sin, attend)
        return self.norm(x)


def grouped(q, k, v, **kwargs):
    """Attention in which several query heads share a key head."""
    repeat = q.shape[1] // k.shape[1]
    return F.scaled_dot_product_attention(q, k.repeat_interleave(repeat, 1), v.repeat_interleave(repeat, 1), **kwargs)


class Cache:
    """Keys and values of one layer; attends causally over all seen so far."""

    def __init__(self):
        self.k = self.v = None

    def __call__(self, q, k, v):
        first = self.k is None
        self.k = k if first else torch.cat((self.k, k), 2)
        self.v = v if first else torch.cat((self.v, v), 2)
        assert first or q.shape[2] == 1
        return grouped(q, self.k, self.v, is_causal=first)


# ---- All of it --------------------------------------------------------------

class InternVL(nn.Module):
    def __init__(self, config=CONFIG):
        super().__init__()
        self.config = config
        vision, llm = config["vision_config"], config["llm_config"]
        self.vision_model = VisionModel(vision)
        self.mlp1 = nn.Sequential(nn.LayerNorm(4 * vision["hidden_size"]), nn.Linear(4 * vision["hidden_size"], llm["hidden_size"]),
                                  nn.GELU(), nn.Linear(llm["hidden_size"], llm["hidden_size"]))
        self.language_model = nn.Module()
        self.language_model.model = Decoder(llm)
        self.language_model.lm_head = nn.Linear(llm["hidden_size"], llm["vocab_size"], bias=False)

    def encode(self, tiles):
        """Normalised tiles [n, 3, 448, 448] to [n, 256, h]."""
        return self.mlp1(pixel_shuffle(self.vision_model(tiles)))

    def embed(self, ids, image_id, visual):
        """Ids [n] to [n, h], with `visual` [m, h] at the image positions."""
        x = self.language_model.model.embed_tokens(ids)
        if visual is not None:
            x = x.clone()
            x[ids == image_id] = visual.to(x.dtype)
        return x

    @torch.inference_mode()
    def generate(self, ids, image_id, visual, stop, limit=128):
        """Greedy answer to the prompt `ids` (a list), without the stop id."""
        device = self.language_model.lm_head.weight.device
        caches = [Cache() for _ in self.language_model.model.layers]
        x = self.embed(torch.tensor(ids, device=device), image_id, visual)[None]
        positions = torch.arange(len(ids), device=device)[None]
        answer = []
        while len(answer) < limit:
            hidden = self.language_model.model(x, positions, caches)[:, -1]
            token = int(self.language_model.lm_head(hidden).argmax())
            if token in stop:
                break
            answer.append(token)
            x = self.language_model.model.embed_tokens(torch.tensor([[token]], device=device))
            positions = positions[:, -1:] + 1
        return answer


def load(directory, device="cpu", dtype=torch.float32):
    """The model of a model directory."""
    from safetensors.torch import load_file
    directory = pathlib.Path(directory)
    model = InternVL(json.loads((directory / "config.json").read_text()))
    model.load_state_dict(load_file(directory / "model.safetensors"))
    return model.to(device, dtype).eval()
