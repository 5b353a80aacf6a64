"""Trains the demo model, from nothing, on pictures drawn as it goes.

    python train.py --work DIR            all phases, then writes DIR/model.pt

Phase 1 shows small windows (224 px) at random places of the position grid:
cheap, and enough to learn shapes, colours and language. Phase 2 shows real
tiles, grids and pairs. Phase 3 keeps the tower's output for a pool of pictures
and teaches the rest mostly where things are. Every step is a function of
(seed, phase, step); `--stop-after` saves and ends, and the same command goes on
from there. Thrown-away heads, which name shape and colour of every patch and
the place of every visual embedding, speed things up.
"""

import argparse
import collections
import json
import math
import pathlib
import time

import torch
import torch.nn.functional as F

import batches
import scenes
import tiles as tiling
from model import InternVL, grouped, pixel_shuffle
from tokenizer import DemoTokenizer

HERE = pathlib.Path(__file__).resolve().parent


# ---- Start ------------------------------------------------------------------

def initialise(model):
    """Small random matrices; positions start as sines and cosines."""
    for name, p in model.named_parameters():
        if p.dim() == 2:
            torch.nn.init.normal_(p, std=0.02 if "embed" in name or "lm_head" in name else p.shape[1] ** -0.5 * 0.6)
        elif p.dim() == 4:
            torch.nn.init.normal_(p, std=(3 * 14 * 14) ** -0.5)
        elif name.endswith("bias"):
            torch.nn.init.zeros_(p)
    torch.nn.init.normal_(model.language_model.model.embed_tokens.weight, std=0.5)
    embeddings = model.vision_model.embeddings
    side, width = embeddings.side, embeddings.position_embedding.shape[-1]
    rates = torch.exp(torch.linspace(0, math.log(side), width // 4)) * math.pi / (2 * side)
    line = torch.arange(side)[:, None] * rates
    wave = torch.cat((line.sin(), line.cos()), 1)
    grid = torch.cat((wave[:, None].expand(side, side, -1), wave[None].expand(side, side, -1)), -1)
    with torch.no_grad():
        embeddings.position_embedding[0, 1:] = 0.5 * grid.flatten(0, 1)
        embeddings.class_embedding.normal_(std=0.5)


# ---- Optimiser --------------------------------------------------------------

def orthogonal(g, steps=5):
    """Newton-Schulz towards the nearest orthogonal matrix, for a stack [n, r, c]
    (Muon, Jordan et al. 2024)."""
    x = g.bfloat16()
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.mT if tall else x).float()


class Optimiser:
    """Muon for the matrices of layers and projector, Adam for the rest. Keeps
    float32 masters of a bfloat16 model, and their running mean."""

    def __init__(self, model, head, muon_rate, adam_rate, mean=0.998):
        named = [(n, p) for m in (model, head) for n, p in m.named_parameters() if p.requires_grad]
        matrix = lambda n, p: p.dim() == 2 and ("layers" in n or "mlp1" in n)
        self.muon_params = [p for n, p in named if matrix(n, p)]
        self.splits = [3 if "qkv" in n else 1 for n, p in named if matrix(n, p)]
        self.adam_params = [p for n, p in named if not matrix(n, p)]
        self.params = self.muon_params + self.adam_params
        self.masters = [p.detach().float().clone() for p in self.params]
        self.means = [p.clone() for p in self.masters]
        self.momenta = [torch.zeros_like(p) for p in self.masters[:len(self.muon_params)]]
        self.adam = torch.optim.AdamW(self.masters[len(self.muon_params):], lr=adam_rate, betas=(0.9, 0.95), weight_decay=0.0)
        self.muon_rate, self.adam_rate, self.mean = muon_rate, adam_rate, mean

    @torch.no_grad()
    def step(self, scale):
        count = len(self.muon_params)
        grads = [p.grad.float() for p in self.muon_params]
        torch._foreach_lerp_(self.momenta, grads, 0.05)
        torch._foreach_lerp_(grads, self.momenta, 0.95)
        stacks = collections.defaultdict(list)
        for i, (grad, split) in enumerate(zip(grads, self.splits)):
            for part in grad.chunk(split):
                stacks[part.shape].append((i, part))
        updates = [[] for _ in grads]
        for shape, members in stacks.items():
            rate = self.muon_rate * scale * max(1.0, shape[0] / shape[1]) ** 0.5
            for (i, _), update in zip(members, orthogonal(torch.stack([g for _, g in members])) * rate):
                updates[i].append(update)
        updates = [u[0] if len(u) == 1 else torch.cat(u) for u in updates]
        torch._foreach_mul_(self.masters[:count], 1 - 0.02 * self.muon_rate * scale)
        torch._foreach_sub_(self.masters[:count], updates)
        for master, p in zip(self.masters[count:], self.adam_params):
            master.grad = p.grad.float() if p.grad is not None else torch.zeros_like(master)
        for group in self.adam.param_groups:
            group["lr"] = self.adam_rate * scale
        self.adam.step()
        torch._foreach_copy_(self.params, self.masters)
        torch._foreach_lerp_(self.means, self.masters, 1 - self.mean)
        for p in self.params:
            p.grad = None

    def state(self):
        return dict(masters=self.masters, means=self.means, momenta=self.momenta, adam=self.adam.state_dict())

    @torch.no_grad()
    def load(self, state):
        for name in ("masters", "means", "momenta"):
            torch._foreach_copy_(getattr(self, name), state[name])
        self.adam.load_state_dict(state["adam"])
        torch._foreach_copy_(self.params, self.masters)

    @torch.no_grad()
    def show(self, which):
        """Puts the masters or their means into the model."""
        torch._foreach_copy_(self.params, getattr(self, which))


# ---- Pictures ---------------------------------------------------------------

def covers(thing, x, y, half):
    """Per point: is it inside the thing, and is it the patch of its centre?
    half [2, points] is half a patch, in pixels of the picture."""
    inside = scenes.distance(thing, x, y) < 0
    centre = ((x - thing[:, 1, None]).abs() < half[0]) & ((y - thing[:, 2, None]).abs() < half[1]) & (thing[:, 3, None] > 0)
    return inside, centre


class Painter:
    """Draws the tiles of a step, and what each patch shows."""

    def __init__(self, device, compiled):
        self.device = device
        wrap = (lambda f: torch.compile(f, dynamic=True)) if compiled else lambda f: f
        self.stamp, self.covers = wrap(scenes.stamp), wrap(covers)

    def step(self, step):
        """Tiles [total, 3, h, w] in bfloat16; labels [total, patches] of shape
        (0 is none), colour, and centre."""
        generator = torch.Generator(self.device).manual_seed(step["seed"])
        parts = [self._draw(draw, generator) for draw in step["draws"]]
        return tuple(torch.cat(p) for p in zip(*parts))

    def _draw(self, draw, generator):
        width, height, used = draw["width"], draw["height"], draw["used"]
        things, backgrounds, quality = (draw[k].to(self.device, non_blocking=True) for k in ("things", "backgrounds", "quality"))
        slow, fast = scenes.noise(len(things), height, width, self.device, generator)
        picture = scenes.paint(things, backgrounds, slow, fast, height, width, stamp=self.stamp)
        picture = picture[:used].round()
        lossy = (draw["quality"][:used] > 0).nonzero()[:, 0].to(self.device)
        if len(lossy):
            picture[lossy] = scenes.jpeg(picture[lossy], quality[lossy]).round()
        side = draw["side"]
        columns, rows = (1, 1) if draw["tiles"] == 1 else tiling.choose_grid(width, height)
        views = [(0, 0, width, height)] if draw["tiles"] == 1 else [
            (c * width / columns, r * height / rows, width / columns, height / rows) for r in range(rows) for c in range(columns)
        ] + [(0, 0, width, height)]
        large = self._resize(picture, columns * side, rows * side)
        cut = large.view(used, 3, rows, side, columns, side).permute(0, 2, 4, 1, 3, 5).reshape(used, rows * columns, 3, side, side)
        if draw["tiles"] > 1:
            cut = torch.cat((cut, self._resize(picture, side, side)[:, None]), 1)
        tiles = tiling.normalise(cut.flatten(0, 1)).bfloat16()
        labels = self._labels(things, views, side // 14)
        return (tiles, *(label[:used].reshape(used * len(views), -1) for label in labels))

    def _resize(self, picture, width, height):
        if picture.shape[2:] == (height, width):
            return picture
        return F.interpolate(picture, (height, width), mode="bicubic", antialias=True).clamp(0, 255).round()

    def _labels(self, things, views, side):
        x, y = scenes.points(side, side, self.device)
        box = torch.tensor(views, dtype=torch.float32, device=self.device)[:, :, None]  # left, top, width, height
        patch = box[:, 2:] / side
        half = (patch / 2).expand(-1, -1, side * side).transpose(0, 1).flatten(1)
        x, y = (box[:, 0] + x * patch[:, 0]).reshape(1, -1), (box[:, 1] + y * patch[:, 1]).reshape(1, -1)
        shape = torch.zeros(len(things), x.shape[1], dtype=torch.long, device=self.device)
        colour, centre = shape.clone(), torch.zeros_like(shape, dtype=torch.float32)
        for k in range(things.shape[1]):
            inside, middle = self.covers(things[:, k], x, y, half)
            shape = torch.where(inside, things[:, k, 0, None].long() + 1, shape)
            colour = torch.where(inside, things[:, k, 10, None].long(), colour)
            centre = torch.where(middle, 1.0, centre)
        return shape, colour, centre


# ---- Forward ----------------------------------------------------------------

class Attend:
    """Attention of a group: the prefix is causal; a branch sees its prefix and,
    causally, itself."""

    def __init__(self, group, device):
        self.prefix = group["prefix"]
        branch, lengths = group["branch"].to(device), group["lengths"].to(device)
        room = branch.shape[1]
        own = (branch[:, :, None] == branch[:, None, :]) & torch.ones(room, room, dtype=torch.bool, device=device).tril()
        seen = (torch.arange(self.prefix, device=device) < lengths[:, None])[:, None, :].expand(-1, room, -1)
        self.mask = torch.cat((seen, own), 2)[:, None]

    def __call__(self, q, k, v):
        p = self.prefix
        before = grouped(q[:, :, :p], k[:, :, :p], v[:, :, :p], is_causal=True)
        after = grouped(q[:, :, p:], k, v, attn_mask=self.mask)
        return torch.cat((before, after), 2)


class Packed:
    """Attention of several groups whose tokens lie in one row."""

    def __init__(self, groups, device):
        self.attends = [Attend(group, device) for group in groups]
        self.shapes = [tuple(group["ids"].shape) for group in groups]
        self.starts, total = [], 0
        for b, n in self.shapes:
            self.starts.append(total)
            total += b * n

    def __call__(self, q, k, v):
        parts = []
        for attend, start, (b, n) in zip(self.attends, self.starts, self.shapes):
            cut = lambda x: x[0, :, start:start + b * n].unflatten(1, (b, n)).transpose(0, 1)
            parts.append(attend(cut(q), cut(k), cut(v)).transpose(1, 2).flatten(0, 1))
        return torch.cat(parts)[None].transpose(1, 2)


class Learner:
    """The model with its auxiliary head: losses and accuracies of a step."""

    def __init__(self, device, compiled):
        self.model = InternVL()
        initialise(self.model)
        width, out = self.model.config["vision_config"]["hidden_size"], self.model.config["llm_config"]["hidden_size"]
        self.heads = torch.nn.ModuleDict(dict(
            patch=torch.nn.Linear(width, 1 + len(scenes.SHAPES) + len(scenes.COLOUR_NAMES) + 1), place=torch.nn.Linear(out, 2)))
        for head in self.heads.values():
            torch.nn.init.zeros_(head.weight)  # so a fresh head does no harm to a trained model
        self.model.to(device, torch.bfloat16)
        self.heads.to(device, torch.bfloat16)
        self.device = device
        self.painter = Painter(device, compiled)
        self.tokenizer = DemoTokenizer(HERE / "weights")
        if compiled:
            for layer in self.model.vision_model.encoder.layers:
                layer.forward = torch.compile(layer.forward, dynamic=False)
            for layer in self.model.language_model.model.layers:
                layer.project = torch.compile(layer.project, dynamic=True)
                layer.mix = torch.compile(layer.mix, dynamic=True)

    def look(self, step):
        """Visual embeddings [tiles, tokens, h] and the auxiliary loss."""
        tiles, shape, colour, centre = self.painter.step(step)
        corner = None
        if tiles.shape[-1] < tiling.TILE:
            generator = torch.Generator(self.device).manual_seed(step["seed"] + 1)
            corner = torch.randint(0, 17, (len(tiles), 2), device=self.device, generator=generator)
        patches = self.model.vision_model(tiles, corner)
        guess = self.heads["patch"](patches).float()
        shapes, colours, centres = guess.split((1 + len(scenes.SHAPES), len(scenes.COLOUR_NAMES), 1), -1)
        weight = torch.where(shape > 0, 4.0, 1.0)
        aux = (F.cross_entropy(shapes.flatten(0, 1), shape.flatten(), reduction="none") * weight.flatten()).sum() / weight.sum()
        inside = (shape > 0).float()
        aux += (F.cross_entropy(colours.flatten(0, 1), colour.flatten(), reduction="none") * inside.flatten()).sum() / inside.sum().clamp_min(1)
        aux += 2 * F.binary_cross_entropy_with_logits(centres[..., 0], centre, pos_weight=torch.tensor(20.0, device=self.device))
        visual = self.model.mlp1(pixel_shuffle(patches))
        return visual, aux + self.place(visual, corner)

    def place(self, visual, corner=None):
        """Loss of telling from a visual embedding where in the tile it lies:
        without it the projector drops the column for long."""
        side = int(visual.shape[1] ** 0.5)
        line = torch.arange(side, device=self.device) * 2 + 1
        grid = torch.stack(torch.meshgrid(line, line, indexing="ij"), -1).flatten(0, 1)
        target = (grid + (0 if corner is None else corner[:, None])) / 16 - 1
        return F.mse_loss(self.heads["place"](visual).float(), target.float().expand(len(visual), -1, -1))

    @torch.no_grad()
    def features(self, step):
        """What the projector sees of the step's tiles, [tiles, 256, 4 v]."""
        tiles, *_ = self.painter.step(step)
        return pixel_shuffle(torch.cat([self.model.vision_model(part) for part in tiles.split(64)]))

    def read(self, groups, visual):
        """Loss summed over the answers' tokens, and which tokens are right. All
        groups run as one row; only attention tells them apart."""
        flat = lambda name: torch.cat([g[name].flatten() for g in groups]).to(self.device, non_blocking=True)
        ids = flat("ids")
        x = self.model.language_model.model.embed_tokens(ids)
        x = x.masked_scatter((ids == self.tokenizer.image)[:, None], visual[flat("tiles")].flatten(0, 1))
        attend = Packed(groups, self.device)
        layers = len(self.model.language_model.model.layers)
        hidden = self.model.language_model.model(x[None], flat("positions")[None], [attend] * layers)[0]
        rows = torch.cat([g["rows"] + start for g, start in zip(groups, attend.starts)]).to(self.device)
        logits = self.model.language_model.lm_head(hidden[rows]).float()
        targets = flat("targets")
        return F.cross_entropy(logits, targets), logits.detach().argmax(-1) == targets

    def losses(self, step):
        visual, aux = self.look(step)
        loss, right = self.read(step["groups"], visual)
        return loss, aux, right.split([len(group["targets"]) for group in step["groups"]])


def tally(step, rights, table):
    """Adds the step's branches to {kind: [right, all]}; a branch is right when
    all its answers' tokens are the first choice, as greedy decoding needs."""
    for group, right in zip(step["groups"], rights):
        good = torch.ones(len(group["kinds"]), dtype=torch.bool)
        good[group["owners"][~right.cpu()]] = False
        for kind, ok in zip(group["kinds"], good.tolist()):
            entry = table[step["kinds"][kind]]
            entry[0] += ok
            entry[1] += 1


# ---- Loop -------------------------------------------------------------------

def rate(progress, decay):
    """Level, then straight down to zero over the last `decay` of the way."""
    return min(1.0, max(0.0, (1 - progress) / decay))


def loader(args, phase, start, stop, seed):
    tiles, room = ((args.tiles * 4, 112) if phase == 1 else (args.tiles, 288))
    data = batches.Steps(DemoTokenizer(HERE / "weights"), seed, phase, tiles, room, args.pool if phase == 3 else 0)
    return torch.utils.data.DataLoader(data, batch_size=None, sampler=range(start, stop), num_workers=args.workers,
                                       prefetch_factor=4 if args.workers else None)


def validate(args, learner, phase, steps):
    """{kind: (accuracy, branches)} of steps that training never sees. Gradients
    stay on: without them everything would compile anew."""
    table = collections.defaultdict(lambda: [0, 0])
    for step in loader(args, phase, 0, steps, "validation"):
        tally(step, learner.losses(step)[2], table)
    return {kind: (right / total, total) for kind, (right, total) in sorted(table.items())}


def show_table(table, say):
    for kind, (accuracy, total) in table.items():
        say(f"  {kind:26s} {100 * accuracy:6.1f} %  of {total}")
    total = sum(n for _, n in table.values())
    say(f"  {'all':26s} {100 * sum(a * n for a, n in table.values()) / total:6.1f} %  of {total}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=pathlib.Path, required=True, help="checkpoint, log and result")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps1", type=int, default=2400)
    parser.add_argument("--steps2", type=int, default=5000)
    parser.add_argument("--decay", type=float, default=0.4, help="part of phase 2 in which the rate falls")
    parser.add_argument("--tiles", type=int, default=256, help="tiles a step (four times as many windows in phase 1)")
    parser.add_argument("--muon-rate", type=float, default=0.02)
    parser.add_argument("--adam-rate", type=float, default=0.002)
    parser.add_argument("--aux", type=float, default=0.5)
    parser.add_argument("--stop-after", type=float, default=1e9, help="seconds; then save and end")
    parser.add_argument("--finish-within", type=float, default=1e9, help="seconds; phase 2 is shortened to end by then")
    parser.add_argument("--workers", type=int, default=15)
    parser.add_argument("--validation", type=int, default=6, help="steps of validation at the end")
    parser.add_argument("--init", type=pathlib.Path, help="a model.pt to start from, where there is no checkpoint")
    parser.add_argument("--first-phase", type=int, default=1)
    parser.add_argument("--last-phase", type=int, default=3)
    parser.add_argument("--steps3", type=int, default=600)
    parser.add_argument("--pool", type=int, default=20, help="steps whose pictures phase 3 keeps")
    parser.add_argument("--no-compile", action="store_true")
    args = parser.parse_args()
    started = time.time()
    args.work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    torch.set_float32_matmul_precision("high")
    torch.backends.cuda.enable_cudnn_sdp(False)  # plans anew for every shape
    torch._dynamo.config.cache_size_limit = 64
    learner = Learner(args.device, not args.no_compile and args.device != "cpu")
    if args.init:
        learner.model.load_state_dict(torch.load(args.init))
    optimiser = Optimiser(learner.model, learner.heads, args.muon_rate, args.adam_rate)
    log = open(args.work / "log.jsonl", "a")

    def say(text):
        print(text, flush=True)

    phase, first, seconds = args.first_phase, 0, 0.0
    saved = args.work / "checkpoint.pt"
    if saved.exists():
        state = torch.load(saved, map_location=args.device)
        if state["phase"] < 3:
            optimiser.load(state["optimiser"])
        phase, first, seconds = state["phase"], state["step"], state["seconds"]
        say(f"goes on at phase {phase}, step {first}")

    out_of_time = False
    while phase <= args.last_phase and not out_of_time:
        steps = (args.steps1, args.steps2, args.steps3)[phase - 1]
        recent, table, mark, kept = [], collections.defaultdict(lambda: [0, 0]), time.time(), {}
        if phase == 3:
            learner.model.vision_model.requires_grad_(False)
            optimiser = Optimiser(learner.model, learner.heads, args.muon_rate, args.adam_rate, mean=0.99)
        for number, step in zip(range(first, steps), loader(args, phase, first, steps, args.seed)):
            if phase < 3:
                loss, aux, rights = learner.losses(step)
                weight = args.aux * (1 if phase == 1 else 0.5)
            else:
                slot = number % args.pool
                if slot not in kept:
                    kept[slot] = learner.features(step)
                visual = learner.model.mlp1(kept[slot])
                aux, weight = learner.place(visual), 1.0
                loss, right = learner.read(step["groups"], visual)
                rights = right.split([len(group["targets"]) for group in step["groups"]])
            (loss + weight * aux).backward()
            scale = min(1.0, (number + 1) / (100 if phase < 3 else 20))
            if phase > 1:
                progress = max((number + 1) / steps, (time.time() - started) / args.finish_within if phase == args.last_phase else 0)
                scale *= 0.75 * rate(progress, args.decay)
            optimiser.step(scale)
            recent.append((loss.detach(), aux.detach()))
            if number % 10 == 0:
                tally(step, rights, table)
            if (number + 1) % 50 == 0 or number + 1 == steps or args.device == "cpu":
                loss, aux = (float(torch.stack(x).mean()) for x in zip(*recent))
                right, total = (sum(x) for x in zip(*table.values())) if table else (0, 1)
                share = lambda word: (lambda v: sum(x[0] for x in v) / max(1, sum(x[1] for x in v)))([
                    x for kind, x in table.items() if kind.startswith(word)])
                now = time.time()
                say(f"phase {phase} step {number + 1} loss {loss:.4f} aux {aux:.3f} right {right / total:.3f} counting {share('count'):.3f} "
                    f"places {share('relation'):.3f} {1000 * (now - mark) / len(recent):.0f} ms a step, {now - started:.0f} s")
                log.write(json.dumps(dict(phase=phase, step=number + 1, loss=loss, aux=aux, right=right / total, counting=share("count"),
                                          places=share("relation"), seconds=seconds + now - started)) + "\n")
                log.flush()
                recent, table, mark = [], collections.defaultdict(lambda: [0, 0]), now
            first = number + 1
            if time.time() - started > min(args.stop_after, args.finish_within):
                out_of_time = args.stop_after < args.finish_within
                break
        if not out_of_time:
            if phase == 2:
                optimiser.show("means")
            phase, first = phase + 1, 0
    torch.save(dict(optimiser=optimiser.state(), phase=phase, step=first, seconds=seconds + time.time() - started), saved)
    optimiser.show("means")
    torch.save({k: v.cpu() for k, v in learner.model.state_dict().items()}, args.work / "model.pt")
    say(f"saved at phase {phase}, step {first}")
    if args.validation:
        table = validate(args, learner, 2, args.validation)
        show_table(table, say)
        (args.work / "validation.json").write_text(json.dumps(table, indent=1) + "\n")
    say(f"{time.time() - started:.0f} s in all")


if __name__ == "__main__":
    main()
