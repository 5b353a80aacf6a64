"""What one training step sees: pictures and token sequences about them.

Several conversations share one picture: a sequence is a prefix that ends with
the picture, and branches that each see the prefix and themselves, at the
positions they would have alone. So every branch is exactly one conversation.
"""

import functools
import random
from typing import NamedTuple

import cv2
import numpy as np
import torch

import assets
import labels
import painter
import sampling
import skills
from tiles import TILE, by_pillow, choose_grid, mosaic, tile_count, with_thumbnail
from tokenizer import SYSTEM

WINDOW = 224
OTHER_SYSTEMS = ("You are a helpful assistant.", "Answer briefly.", "You are a vision-language model.", "You describe pictures.",
                 "Be kind and short.", "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.", "", "你是一个有用的助手。")

# Sizes that stay one tile, sizes that would be a grid but are squeezed into one
# (`max_tiles` 1), and sizes that become a grid with a thumbnail.
ONE_TILE = ((448, 448),) * 20 + ((300, 300), (512, 512), (600, 600), (400, 380), (500, 480), (256, 256), (350, 370), (620, 610))
SQUEEZED = ((640, 480), (480, 640), (800, 600), (640, 360), (448, 896), (896, 448), (600, 400), (720, 540))
GRIDS = ((896, 448), (448, 896), (1344, 896), (896, 896), (1792, 1344), (640, 480), (800, 600), (480, 640), (512, 384), (896, 448), (448, 896), (640, 640), (896, 896), (600, 400), (400, 600),
         (800, 400), (1024, 768), (720, 540), (640, 360), (1280, 720), (900, 300), (672, 448))
PRINT = ((896, 896), (1344, 896), (896, 1344), (1344, 1344), (1792, 1344), (1344, 1792)) * 3 + ( (1000, 1000), (1200, 800), (1024, 768), (1600, 1200),
         (1792, 896), (1000, 700), (1280, 960))
PAIRED = ((640, 480), (448, 448), (896, 448), (448, 448), (448, 896), (640, 640), (672, 448), (448, 672), (400, 380), (512, 512))

# The same at half the size: phase 1 learns on cheap windows to look for print.
SMALL_PRINT = ((672, 448), (448, 672), (672, 672), (896, 448), (448, 896), (896, 672), (672, 896))

# How often each kind of scene is drawn.
SCENES = {"thing": 13, "things": 17, "shapes": 12, "mixed": 12, "count": 24, "odd": 5, "corners": 6, "digit": 5, "text": 38, "sign": 9}
LOOSE = 0.1                 # part of the questions that lose a small word
SETS, NOTHING = 0.15, 0.03  # part of the samples that have several pictures, or none
FOLLOW_UPS = 0.22           # part of the branches that are conversations


def cells(scene, side, squeezed):
    """Columns and rows of the scene's grid. In phase 1 a window of 224 px plays
    the part of a tile."""
    if side < TILE:
        return scene.width // side, scene.height // side
    return (1, 1) if squeezed else choose_grid(scene.width, scene.height)


class Sample:
    """A prefix with its pictures, and branches about them."""

    def __init__(self, pictures, prefix, branches):
        self.pictures = pictures  # scenes
        self.prefix = prefix      # ids
        self.branches = branches  # of (kind, ids, flags); a flag marks an id to learn


class Shown(NamedTuple):
    """A sample, and how its pictures are shown."""
    sample: Sample
    squeezed: bool = False   # into one tile each
    looked_at: bool = False  # without the tower's learning from them


_SMALL_WORDS = frozenset("the a an in of is are do does you can please this me there and it that for".split())
_SMALL_LETTERS = frozenset("的了吗呢请这张里有一下啊")
_SHORTER = {"you": "u", "your": "ur", "are": "r", "please": "pls", "picture": "pic", "pictures": "pics", "image": "img", "photo": "pic",
            "what's": "whats", "it's": "its", "that's": "thats", "don't": "dont", "can't": "cant", "i'm": "im", "isn't": "isnt",
            "thanks": "thx", "because": "cuz", "what": "wat", "something": "smth", "to": "2", "know": "kno", "there": "ther", "and": "n"}


def _loosened(rng, question):
    """The question as people write in haste: with shorter words, or without one of its small words."""
    parts, glue = (question.split(" "), " ") if question.isascii() else (list(question), "")
    if glue and rng.random() < 0.4:
        return glue.join(_SHORTER.get(part, part) if rng.random() < 0.7 else part for part in question.lower().split(" "))
    small = [i for i, part in enumerate(parts) if part.lower() in (_SMALL_WORDS if glue else _SMALL_LETTERS)]
    if small and len(parts) > 3:
        del parts[rng.choice(small)]
    return glue.join(parts)


def _system(rng, tokenizer):
    draw = rng.random()
    if draw < 0.06:
        return []
    text = rng.choice(OTHER_SYSTEMS) if draw < 0.14 else SYSTEM
    return tokenizer.message("system", [text])


def _branch(tokenizer, dialogue, head, asked=False):
    """Ids and flags of a dialogue whose first question follows `head`, text
    that opens the user's turn, or was `asked` before the pictures."""
    start, end, feed = tokenizer.start, tokenizer.end, list(tokenizer.encode("\n"))
    assistant = [start, *tokenizer.encode("assistant\n")]
    ids, flags = [], []
    last = len(dialogue.turns) - 1
    for i, turn in enumerate(dialogue.turns):
        if i == 0:
            opening = tokenizer.encode(head + ("" if asked else turn.question))
        else:
            opening = [*feed, start, *tokenizer.encode("user\n" + turn.question)]
        opening = [*opening, end, *feed, *assistant]
        # In a history the server has spelled nothing: it knows only the text.
        said = [*(tokenizer.answer(turn.answer, turn.spelled) if i == last else tokenizer.encode(turn.answer)), end]
        ids += opening + said
        flags += [False] * len(opening) + [i == last or not turn.spelled.isalpha()] * len(said)
    return f"{dialogue.row}: {dialogue.kind}", ids, flags


class Talk:
    """Makes branches of a phase: `split` and `phrasing` of what is asked."""

    def __init__(self, rng, tokenizer, pack, split, phrasing, room, per_tile, small):
        self.rng, self.tokenizer, self.pack, self.split, self.phrasing = rng, tokenizer, pack, split, phrasing
        self.room, self.per_tile, self.small = room, per_tile, small

    def dialogue(self, pictures, several_turns=True):
        rng = self.rng
        while True:
            if pictures and several_turns and rng.random() < FOLLOW_UPS:
                made = skills.converse(rng, pictures, self.phrasing, rng.choice((2, 2, 3, 4)))
            else:
                made = skills.ask(rng, pictures, self.phrasing)
            if not made:
                continue
            if self.split == "train" and rng.random() < LOOSE:
                *before, last = made.turns
                made = made._replace(turns=(*before, last._replace(question=_loosened(rng, last.question))))
            return made

    def fill(self, pictures, head, most=16):
        """Branches until `room` tokens are full."""
        branches, room = [], self.room
        while len(branches) < most:
            branch = _branch(self.tokenizer, self.dialogue(pictures), head)
            if len(branch[1]) > room:
                if branches:
                    break
                continue
            room -= len(branch[1])
            branches.append(branch)
        return branches

    def image(self, scene, squeezed):
        columns, rows = cells(scene, WINDOW if self.small else TILE, squeezed)
        tiles, t = with_thumbnail(columns * rows), self.tokenizer
        return [t.image_start] + [t.image] * (self.per_tile * tiles) + [t.image_end]

    def sample(self, pictures, squeezed=False):
        rng, t = self.rng, self.tokenizer
        opening = [*_system(rng, t), t.start]
        if not pictures:
            return Sample((), opening, self.fill((), "user\n", 6))
        images = [self.image(scene, squeezed) for scene in pictures]
        feed = list(t.encode("\n"))
        layout = rng.random()
        if layout < 0.1:  # the question stands before the pictures
            dialogue = self.dialogue(pictures)
            while (branch := _branch(t, dialogue, "\n", asked=True)) and len(branch[1]) > self.room:
                dialogue = self.dialogue(pictures)
            prefix = opening + list(t.encode("user\n" + dialogue.turns[0].question + "\n"))
            for image in images:
                prefix += image + (feed if image is not images[-1] else [])
            return Sample(pictures, prefix, [branch])
        prefix = opening + list(t.encode("user\n"))
        if len(pictures) == 1:
            return Sample(pictures, prefix + images[0], self.fill(pictures, "\n"))
        if layout < 0.2 and len(pictures) == 2:  # the second picture comes in a later turn
            first = _branch(t, self.dialogue(pictures[:1], False), "\n")[1]
            prefix += [*images[0], *first, *feed, t.start, *t.encode("user\n"), *images[1]]
            return Sample(pictures, prefix, self.fill(pictures, "\n"))
        if layout < 0.3:
            prefix = opening + list(t.encode("user\nImage-1: ")) + images[0]
            for i, image in enumerate(images[1:]):
                prefix += [*t.encode(f"\nImage-{i + 2}: "), *image]
            return Sample(pictures, prefix, self.fill(pictures, "\n"))
        prefix += images[0]
        for image in images[1:]:
            prefix += feed + image
        return Sample(pictures, prefix, self.fill(pictures, "\n"))


def _scene(rng, pack, split, size):
    return skills.sample(rng, rng.choices(list(SCENES), list(SCENES.values()))[0], *size, pack, split)


def small_samples(rng, talk, pack, tiles):
    """Phase 1: pictures of 224 px, each a window of the model's tile."""
    size = (WINDOW, WINDOW)
    samples, left = [], tiles
    for part in (0.12, 0.08):
        large = rng.choice(SMALL_PRINT)
        cost = with_thumbnail(large[0] * large[1] // WINDOW ** 2)
        for _ in range(int(tiles * part) // cost):
            samples.append(Shown(talk.sample((skills.sample(rng, "print", *large, pack, talk.split),))))
            left -= cost
    while left > 0:
        if rng.random() < SETS and left > 3:
            pictures = skills.sample_set(rng, (size,) * rng.choice((2, 2, 3)), pack, talk.split)[1]
        else:
            pictures = (_scene(rng, pack, talk.split, size),)
        samples.append(Shown(talk.sample(pictures)))
        left -= len(pictures)
    return samples + [Shown(talk.sample(())) for _ in range(max(2, int(tiles * NOTHING)))]


def real_samples(rng, talk, pack, tiles, grid_tiles):
    """Phase 2: `tiles` pictures of one tile each, singly and in sets, and grids
    of `grid_tiles` tiles at most."""
    samples, left = [], tiles
    while left > 0:
        squeezed = rng.random() < 0.15
        sizes = SQUEEZED if squeezed else ONE_TILE
        if rng.random() < SETS and left > 3:
            count = rng.choice((2, 2, 3))
            pictures = skills.sample_set(rng, tuple(rng.choice(sizes) for _ in range(count)), pack, talk.split)[1]
        else:
            pictures = (_scene(rng, pack, talk.split, rng.choice(sizes)),)
        samples.append(Shown(talk.sample(pictures, squeezed), squeezed))
        left -= len(pictures)
    # Few layouts a step, each for several pictures: less to launch.
    left = grid_tiles
    for part, printed in ((0.35, True), (0.2, True), (0.2, False)):
        size = rng.choice(PRINT if printed else GRIDS)
        cost = tile_count(*size)
        for _ in range(min(int(grid_tiles * part), left) // cost):
            scene = skills.sample(rng, "print", *size, pack, talk.split) if printed and rng.random() < 0.85 else _scene(rng, pack, talk.split, size)
            samples.append(Shown(talk.sample((scene,)), looked_at=True))
            left -= cost
    sizes = [rng.choice(PAIRED) for _ in range(rng.choice((2, 2, 2, 3)))]
    for _ in range(left // sum(tile_count(*size) for size in sizes)):
        pictures = skills.sample_set(rng, tuple(sizes), pack, talk.split)[1]
        samples.append(Shown(talk.sample(pictures), looked_at=True))
    return samples + [Shown(talk.sample(())) for _ in range(max(2, int(tiles * NOTHING)))]


# ---- Pictures ---------------------------------------------------------------

def _drawn(scene, pack):
    picture = painter.draw(scene, pack)
    return painter.jpeg(picture, scene.quality) if scene.quality else picture


def _quickly(picture, width, height):
    """Much like Pillow's bicubic filter, at a fifth of the cost."""
    shrinks = width * height < picture.shape[0] * picture.shape[1]
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def cut(scene, pack, side, squeezed):
    """The scene's tiles [n, side, side, 3], a thumbnail last if there are
    several, and the boxes of the picture that they show."""
    columns, rows = cells(scene, side, squeezed)
    width, height = scene.width / columns, scene.height / rows
    views = [(c * width, r * height, width, height) for r in range(rows) for c in range(columns)]
    if len(views) > 1:
        views.append((0, 0, scene.width, scene.height))
    resize = _quickly if scene.seed % 8 < 5 else by_pillow  # the product resizes as Pillow does
    return mosaic(_drawn(scene, pack), columns, rows, side, resize), views


# ---- Steps ------------------------------------------------------------------

def _round_up(n, to=8):
    return -n % to + n


def _group(samples, first_tiles, tokenizer, kinds, step):
    """Adds samples of one picture layout to the step's lists."""
    prefix = _round_up(max(len(s.prefix) for s in samples))
    room = _round_up(max(sum(len(b[1]) for b in s.branches) for s in samples), 16)
    b = len(samples)
    ids = np.full((b, prefix + room), tokenizer.pad, np.int64)
    positions = np.zeros((b, prefix + room), np.int64)
    branch = np.full((b, room), -1, np.int64)
    start, targets, rows, owners = sum(len(part) for part in step["ids"]), [], [], []
    for i, sample in enumerate(samples):
        length = len(sample.prefix)
        ids[i, :length] = sample.prefix
        positions[i, :prefix] = np.arange(prefix)
        at = prefix
        for j, (kind, tokens, flags) in enumerate(sample.branches):
            n = len(tokens)
            ids[i, at:at + n] = tokens
            positions[i, at:at + n] = length + np.arange(n)
            branch[i, at - prefix:at - prefix + n] = j
            learnt = [k for k in range(1, n) if flags[k]]
            targets += [tokens[k] for k in learnt]
            first = start + i * (prefix + room) + at - 1
            rows += [first + k for k in learnt]
            owners += [len(step["owner_kinds"])] * len(learnt)
            step["owner_kinds"].append(kinds.setdefault(kind, len(kinds)))
            at += n
    shown = [t for s in samples for p in s.pictures for t in first_tiles[id(p)]]
    for name, values in (("ids", ids), ("positions", positions), ("branch", branch), ("lengths", [len(s.prefix) for s in samples]),
                         ("targets", targets), ("rows", rows), ("owners", owners), ("shown", shown)):
        step[name].append(np.asarray(values, np.int64).reshape(-1))
    step["groups"].append((b, prefix, room))


def build(samples, tokenizer, pack, side, grid_tiles):
    """The step: `tiles` uint8 [n, side, side, 3] with their labels, and those
    of grids, `grids` uint8 [grid_tiles, 448, 448, 3], without; `groups`, the
    (samples, prefix, room) of the samples of one picture layout; and flat
    arrays over all groups: `ids` and `positions` of [samples, prefix + room],
    `branch` of [samples, room], `lengths` of the prefixes, `shown` (which
    tiles stand at the image positions, the grids' after the others), and
    `targets`, their `rows` among the ids and the branches that own them."""
    first_tiles, tiles, maps, grids = {}, [], [], []
    count, large = 0, []
    for sample, squeezed, looked_at in samples:
        for scene in sample.pictures:
            if looked_at:
                large.append(scene)
                continue
            made, views = cut(scene, pack, side, squeezed)
            first_tiles[id(scene)] = range(count, count + len(made))
            count += len(made)
            tiles.append(made)
            maps.append(labels.patch_labels(scene, views, side // 14, pack))
    for scene in large:
        made = cut(scene, pack, side, False)[0]
        first_tiles[id(scene)] = range(count, count + len(made))
        count += len(made)
        grids.append(made)
    layouts = {}
    for sample, _, _ in samples:
        layouts.setdefault(tuple(len(first_tiles[id(p)]) for p in sample.pictures), []).append(sample)
    kinds, step = {}, {name: [] for name in ("ids", "positions", "branch", "lengths", "targets", "rows", "owners", "shown", "groups", "owner_kinds")}
    for group in layouts.values():
        _group(group, first_tiles, tokenizer, kinds, step)
    for name in ("ids", "positions", "branch", "lengths", "targets", "rows", "owners", "shown"):
        step[name] = torch.from_numpy(np.concatenate(step[name]))
    step["kinds"] = list(kinds)
    step["tiles"] = torch.from_numpy(np.concatenate(tiles))
    for name in ("class", "colour", "centre", "chars", "spelled"):
        step[name] = torch.from_numpy(np.concatenate([maps_of[name] for maps_of in maps]))
    if grid_tiles:
        step["grids"] = torch.empty(grid_tiles, TILE, TILE, 3, dtype=torch.uint8)
        used = sum(len(made) for made in grids)
        step["grids"][used:] = 0
        if grids:
            torch.cat([torch.from_numpy(made) for made in grids], out=step["grids"][:used])
    return step


@functools.cache
def _parts():
    """The pack, with what is costly to make of it; once for all the phases."""
    pack = assets.load()
    painter.prepare(pack)
    sampling.prepare(pack)
    return pack


class Steps(torch.utils.data.Dataset):
    """Step i of a phase, the same whoever asks: seeded by (seed, phase, i)."""

    def __init__(self, tokenizer, seed, phase, tiles, grid_tiles, room, split="train", phrasing="train"):
        self.tokenizer, self.seed, self.phase = tokenizer, seed, phase
        self.tiles, self.grid_tiles, self.room, self.split, self.phrasing = tiles, grid_tiles, room, split, phrasing
        self.pack = _parts()

    def __getitem__(self, i):
        rng = random.Random(f"{self.seed}/{self.phase}/{i}")
        small = self.phase == 1
        talk = Talk(rng, self.tokenizer, self.pack, self.split, self.phrasing, self.room, 64 if small else 256, small)
        if small:
            samples = small_samples(rng, talk, self.pack, self.tiles)
            step = build(samples, self.tokenizer, self.pack, WINDOW, 0)
        else:
            samples = real_samples(rng, talk, self.pack, self.tiles, self.grid_tiles)
            step = build(samples, self.tokenizer, self.pack, TILE, self.grid_tiles)
        step["seed"] = rng.getrandbits(48)
        return step
