"""Trains the demo model, from nothing, on pictures drawn as it goes.

    python train.py --work DIR            both phases, then writes DIR/model.pt

Phase 1 shows small windows (224 px) at random places of the position grid:
cheap, and enough to learn things, letters and language. Phase 2 shows real
tiles, grids and sets of pictures. Pictures are drawn on the CPU by the loader's
workers, so a card needs a dozen cores beside it. Every step is a function of
(seed, phase, step); `--stop-after` saves and ends, and the same command goes on
from there. Thrown-away heads, which name what every patch shows and the place
of every visual embedding, speed things up.
"""

import argparse
import collections
import json
import math
import os
import pathlib
import time

import torch
import torch.nn.functional as F

import batches
import labels
import tiles as tiling
import world
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
    x = g.bfloat16() if g.is_cuda else g
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

def expose(tiles, generator, dtype):
    """Loader's tiles, uint8 [n, h, w, 3], as the model's input in `dtype`,
    with the changes of light and the sensor's noise that cost a card nothing."""
    n, device = len(tiles), tiles.device
    draw = lambda *shape: torch.rand(*shape, device=device, generator=generator)
    x = tiles.permute(0, 3, 1, 2).to(dtype)
    changed = (draw(n, 1, 1, 1) < 0.4).to(x.dtype)
    gain = 1 + changed * (draw(n, 3, 1, 1) * 0.16 - 0.08 + (draw(n, 1, 1, 1) * 0.3 - 0.15)).to(x.dtype)
    lift = changed * (draw(n, 1, 1, 1) * 30 - 15).to(x.dtype)
    grain = ((draw(n, 1, 1, 1) < 0.25) * draw(n, 1, 1, 1) * 9).to(x.dtype)
    noise = torch.randn(x.shape, device=device, dtype=x.dtype, generator=generator)
    return tiling.normalise((x * gain + lift + noise * grain).clamp(0, 255)).to(dtype)


# ---- Forward ----------------------------------------------------------------

class Packed:
    """Attention of several groups whose tokens lie in one row. In a group
    [b, prefix + room] the prefix is causal; a branch sees its prefix and,
    causally, itself."""

    def __init__(self, groups, branch, lengths):
        self.groups, at, first = [], 0, 0
        for b, prefix, room in groups:
            mine = branch[at:at + b * room].view(b, room)
            own = (mine[:, :, None] == mine[:, None, :]) & torch.ones(room, room, dtype=torch.bool, device=branch.device).tril()
            seen = torch.arange(prefix, device=branch.device) < lengths[first:first + b, None]
            mask = torch.cat((seen[:, None, :].expand(-1, room, -1), own), 2)[:, None]
            self.groups.append((b, prefix, room, mask))
            at, first = at + b * room, first + b
        self.sizes = [b * (prefix + room) for b, prefix, room in groups]

    def __call__(self, q, k, v):
        parts = []
        # Split, not sliced: the gradients are then put together at once.
        for (b, prefix, room, mask), *row in zip(self.groups, *(x[0].split(self.sizes, 1) for x in (q, k, v))):
            q, k, v = (x.unflatten(1, (b, prefix + room)).transpose(0, 1) for x in row)
            early, late = q.split((prefix, room), 2)
            before = grouped(early, k[:, :, :prefix], v[:, :, :prefix], is_causal=True)
            parts.append(torch.cat((before, grouped(late, k, v, attn_mask=mask)), 2).transpose(1, 2).flatten(0, 1))
        return torch.cat(parts)[None].transpose(1, 2)


def weighted_loss(logits, target, something):
    """Mean cross-entropy where a target that is not 0, nothing, weighs `something`."""
    weight = torch.where(target > 0, something, 1.0)
    return (F.cross_entropy(logits, target, reduction="none") * weight).sum() / weight.sum()


class Learner:
    """The model with its auxiliary heads: losses and accuracies of a step."""

    def __init__(self, device, compiled):
        self.model = InternVL()
        initialise(self.model)
        width, out = self.model.config["vision_config"]["hidden_size"], self.model.config["llm_config"]["hidden_size"]
        characters = 1 + len(world.CHARACTERS)
        self.parts = (world.CLASSES, 1 + len(world.COLOUR_NAMES), 1, characters, characters)
        self.heads = torch.nn.ModuleDict(dict(patch=torch.nn.Linear(width, sum(self.parts)), place=torch.nn.Linear(out, 2),
                                               spelled=torch.nn.Linear(out, labels.SPELLED * characters)))
        for head in self.heads.values():
            torch.nn.init.zeros_(head.weight)
        self.device, self.dtype = device, torch.bfloat16 if device == "cuda" else torch.float32
        self.model.to(device, self.dtype)
        self.heads.to(device, self.dtype)
        self.tokenizer = DemoTokenizer(HERE / "weights")
        self.patch_loss, self.spelling_loss = self._patch_loss, self._spelling_loss
        if compiled:
            self.patch_loss, self.spelling_loss = (torch.compile(loss, dynamic=False) for loss in (self._patch_loss, self._spelling_loss))
            for layer in self.model.vision_model.encoder.layers:
                layer.forward = torch.compile(layer.forward, dynamic=False)
            for layer in self.model.language_model.model.layers:
                layer.project = torch.compile(layer.project, dynamic=True)
                layer.mix = torch.compile(layer.mix, dynamic=True)

    def _patch_loss(self, patches, what, colour, centre, chars):
        """Loss of telling from a patch what it shows; what is rare weighs more."""
        parts = self.heads["patch"](patches.flatten(0, 1)).float().split(self.parts, 1)
        loss = 2 * F.binary_cross_entropy_with_logits(parts[2][:, 0], centre.float(), pos_weight=torch.tensor(20.0, device=centre.device))
        for logits, target in ((parts[0], what), (parts[1], colour), (parts[3], chars[:, 0]), (parts[4], chars[:, 1])):
            loss = loss + weighted_loss(logits, target, 6.0)
        return loss

    def _spelling_loss(self, visual, spelled):
        """Loss of telling from a visual embedding which characters of a text lie
        there, and at which places of the text: what the decoder has to look for
        letter by letter. Characters are few among the places, so they weigh more."""
        logits = self.heads["spelled"](visual.flatten(0, 1)).view(len(spelled), -1).float()
        return weighted_loss(logits, spelled, 100.0)

    def look(self, step):
        """Visual embeddings [tiles, tokens, h], the grids' last, and the auxiliary
        loss. The tower learns from single tiles and only looks at grids, at a
        third of the cost."""
        generator = torch.Generator(self.device).manual_seed(step["seed"])
        put = lambda name: step[name].to(self.device, non_blocking=True)
        tiles = expose(put("tiles"), generator, self.dtype)
        corner = None
        if tiles.shape[-1] < tiling.TILE:
            corner = torch.randint(0, 17, (len(tiles), 2), device=self.device, generator=generator)
        patches = self.model.vision_model(tiles, corner)
        aux = self.patch_loss(patches, *(put(name).long().flatten() for name in ("class", "colour", "centre")),
                              put("chars").long().view(-1, 2))
        visual = self.model.mlp1(pixel_shuffle(patches))
        aux = aux + self.place(visual, corner) + self.spelling_loss(visual, put("spelled").long().flatten())
        if "grids" in step:
            with torch.no_grad():
                seen = pixel_shuffle(self.model.vision_model(expose(put("grids"), generator, self.dtype)))
            visual = torch.cat((visual, self.model.mlp1(seen)))
        return visual, aux

    def place(self, visual, corner=None):
        """Loss of telling from a visual embedding where in the tile it lies:
        without it the projector drops the column for long."""
        side = int(visual.shape[1] ** 0.5)
        line = torch.arange(side, device=self.device) * 2 + 1
        grid = torch.stack(torch.meshgrid(line, line, indexing="ij"), -1).flatten(0, 1)
        target = (grid + (0 if corner is None else corner[:, None])) / 16 - 1
        return F.mse_loss(self.heads["place"](visual).float(), target.float().expand(len(visual), -1, -1))

    def read(self, step, visual):
        """Loss over the answers' tokens, and which tokens are right. All groups
        run as one row; only attention tells them apart."""
        ids, positions, shown, rows, targets, branch, lengths = (
            step[name].to(self.device, non_blocking=True) for name in ("ids", "positions", "shown", "rows", "targets", "branch", "lengths"))
        x = self.model.language_model.model.embed_tokens(ids)
        x = x.masked_scatter((ids == self.tokenizer.image)[:, None], visual[shown].flatten(0, 1))
        attend = Packed(step["groups"], branch, lengths)
        layers = len(self.model.language_model.model.layers)
        hidden = self.model.language_model.model(x[None], positions[None], [attend] * layers)[0]
        logits = self.model.language_model.lm_head(hidden[rows]).float()
        return F.cross_entropy(logits, targets), logits.detach().argmax(-1) == targets

    def losses(self, step):
        visual, aux = self.look(step)
        loss, right = self.read(step, visual)
        return loss, aux, right


def tally(step, right, table):
    """Adds the step's branches to {kind: [right, all]}; a branch is right when
    all its answers' tokens are the first choice, as greedy decoding needs."""
    good = torch.ones(len(step["owner_kinds"]), dtype=torch.bool)
    good[step["owners"][~right.cpu()]] = False
    for kind, ok in zip(step["owner_kinds"], good.tolist()):
        entry = table[step["kinds"][kind]]
        entry[0] += ok
        entry[1] += 1


def share(table, row):
    """Part of a row's branches that are right; the row was asked."""
    right, total = (sum(x) for x in zip(*(v for kind, v in table.items() if kind.split(":")[0] == row)))
    return right / total


# ---- Loop -------------------------------------------------------------------

def rate(progress, level):
    """Level for a while, then straight down to zero: the fine print is learnt
    on the way down."""
    return min(1.0, max(0.0, (1 - progress) / (1 - level)))


def _modest(_):
    os.nice(10)  # the process that feeds the card comes first


ROOM = {1: 144, 2: 288}  # tokens of conversations about one picture


def loader(args, phase, start, stop, seed, split="train", phrasing="train"):
    tiles, grids = (args.tiles * 4, 0) if phase == 1 else (args.tiles, args.grid_tiles)
    data = batches.Steps(DemoTokenizer(HERE / "weights"), seed, phase, tiles, grids, ROOM[phase], split, phrasing)
    return torch.utils.data.DataLoader(data, batch_size=None, sampler=range(start, stop), num_workers=args.workers,
                                       prefetch_factor=args.prefetch if args.workers else None, worker_init_fn=_modest,
                                       pin_memory=args.device == "cuda")


def validate(args, learner, phase, steps, split="test", phrasing="train"):
    """{kind: (accuracy, branches)} of steps that training never sees. Gradients
    stay on: without them everything would compile anew."""
    table = collections.defaultdict(lambda: [0, 0])
    for step in loader(args, phase, 0, steps, "validation", split, phrasing):
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
    parser.add_argument("--steps1", type=int, default=6600)
    parser.add_argument("--steps2", type=int, default=2850)
    parser.add_argument("--level", type=float, default=0.2, help="part of the whole before the rate falls")
    parser.add_argument("--tiles", type=int, default=176, help="single tiles a step (four times as many windows in phase 1)")
    parser.add_argument("--grid-tiles", type=int, default=136, help="tiles of grids a step, in phase 2")
    parser.add_argument("--muon-rate", type=float, default=0.02)
    parser.add_argument("--adam-rate", type=float, default=0.002)
    parser.add_argument("--aux", type=float, default=0.5)
    parser.add_argument("--stop-after", type=float, default=1e9, help="seconds; then save and end")
    parser.add_argument("--finish-within", type=float, default=1e9, help="seconds in all; phase 2 is shortened to end by then")
    parser.add_argument("--workers", type=int, default=14)
    parser.add_argument("--prefetch", type=int, default=2)
    parser.add_argument("--snapshot", type=int, default=500, help="steps between two writings of the checkpoint")
    parser.add_argument("--validation", type=int, default=6, help="steps of validation at the end, each of phrasings of training and of unseen ones")
    parser.add_argument("--init", type=pathlib.Path, help="a model.pt to start from, where there is no checkpoint")
    parser.add_argument("--first-phase", type=int, default=1)
    parser.add_argument("--last-phase", type=int, default=2)
    parser.add_argument("--profile", type=int, help="a step of each phase from which on three are profiled, into DIR/profile.txt")
    parser.add_argument("--no-compile", action="store_true")
    args = parser.parse_args()
    started = time.time()
    args.work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    torch.set_float32_matmul_precision("high")
    torch.backends.cuda.enable_cudnn_sdp(False)  # plans anew for every shape
    torch._dynamo.config.cache_size_limit = 64
    if args.device == "cuda":
        torch.set_num_threads(1)  # or they would fight the workers for every small sum
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
        optimiser.load(state["optimiser"])
        phase, first, seconds = state["phase"], state["step"], state["seconds"]
        say(f"goes on at phase {phase}, step {first}")

    def save():
        partial = saved.with_suffix(".partial")
        torch.save(dict(optimiser=optimiser.state(), phase=phase, step=first, seconds=seconds + time.time() - started), partial)
        partial.rename(saved)
        optimiser.show("means")
        torch.save({k: v.cpu() for k, v in learner.model.state_dict().items()}, args.work / "model.partial")
        (args.work / "model.partial").rename(args.work / "model.pt")
        optimiser.show("masters")

    out_of_time = False
    while phase <= args.last_phase and not out_of_time:
        steps = (args.steps1, args.steps2)[phase - 1]
        recent, table, mark, waited = [], collections.defaultdict(lambda: [0, 0]), time.time(), 0.0
        coming = iter(loader(args, phase, first, steps, args.seed))
        for number in range(first, steps):
            if args.profile and number in (args.profile, args.profile + 3):
                if number == args.profile:
                    profiler = torch.profiler.profile()
                    profiler.start()
                else:
                    torch.cuda.synchronize()
                    profiler.stop()
                    with open(args.work / "profile.txt", "a") as file:
                        for key in ("self_cuda_time_total", "self_cpu_time_total"):
                            file.write(profiler.key_averages().table(sort_by=key, row_limit=45, max_name_column_width=70) + "\n")
            before = time.time()
            step = next(coming)
            waited += time.time() - before
            loss, aux, right = learner.losses(step)
            (loss + args.aux * (1 if phase == 1 else 0.5) * aux).backward()
            done = (number + 1 + (args.steps1 if phase > 1 else 0)) / (args.steps1 + args.steps2)
            progress = max(done, (seconds + time.time() - started) / args.finish_within)
            optimiser.step(min(1.0, (number + 1) / 100) * rate(progress, args.level))
            recent.append((loss.detach(), aux.detach()))
            if number % 20 == 0:
                tally(step, right, table)
            if (number + 1) % 50 == 0 or number + 1 == steps or args.device == "cpu":
                loss, aux = (float(torch.stack(x).mean()) for x in zip(*recent))
                good, total = (sum(x) for x in zip(*table.values())) if table else (0, 1)
                rows = {row: round(share(table, row), 3) for row in sorted({kind.split(":")[0] for kind in table})}
                now = time.time()
                say(f"phase {phase} step {number + 1} loss {loss:.4f} aux {aux:.3f} right {good / max(1, total):.3f} "
                    f"{' '.join(f'{k} {v:.2f}' for k, v in rows.items())} {1000 * (now - mark) / len(recent):.0f} ms a step, {1000 * waited / len(recent):.0f} of them waiting for pictures, "
                    f"{now - started:.0f} s")
                log.write(json.dumps(dict(phase=phase, step=number + 1, loss=round(loss, 4), aux=round(aux, 4), right=round(good / max(1, total), 4),
                                          rows=rows, seconds=round(seconds + now - started, 1))) + "\n")
                log.flush()
                recent, table, mark, waited = [], collections.defaultdict(lambda: [0, 0]), now, 0.0
            first = number + 1
            if time.time() - started > args.stop_after:
                out_of_time = True
                break
            if seconds + time.time() - started > args.finish_within:
                break
            if args.snapshot and first % args.snapshot == 0:
                save()
        if not out_of_time:
            phase, first = phase + 1, 0
    save()
    say(f"saved at phase {phase}, step {first}")
    if args.validation:
        optimiser.show("means")
        report = {}
        for phrasing in ("train", "unseen"):
            table = report[phrasing] = validate(args, learner, 2, args.validation, "test", phrasing)
            say(f"{phrasing} phrasings")
            show_table(table, say)
        (args.work / "validation.json").write_text(json.dumps(report, indent=1) + "\n")
    say(f"{time.time() - started:.0f} s in all")


if __name__ == "__main__":
    main()
