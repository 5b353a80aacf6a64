"""What one training step sees: scenes to draw and token sequences about them.

Several dialogues share one picture: a sequence is a prefix that ends with the
picture, and branches that each see the prefix and themselves, at the positions
they would have alone. So every branch is exactly one conversation.
"""

import random

import numpy as np
import torch

import dialogues
import scenes
from tiles import TILE, tile_count
from tokenizer import SYSTEM

OTHER_SYSTEMS = ("You are a helpful assistant.", "Answer briefly.", "You are a vision-language model.", "You describe pictures.",
                 "Be kind and short.", "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.", "")

# Sizes that stay one tile, and sizes that become a grid with a thumbnail.
ONE_TILE = ((448, 448),) * 5 + ((300, 300), (256, 256), (512, 512), (600, 600), (400, 380), (500, 480), (224, 224), (350, 370))
GRIDS = ((640, 480),) * 5 + ((480, 640), (800, 600), (512, 384), (320, 240), (896, 448), (448, 896), (640, 640), (800, 800), (1000, 1000),
                             (640, 360), (1280, 720), (360, 640), (300, 200), (200, 300), (600, 400), (900, 300), (800, 400), (1024, 768),
                             (500, 400), (400, 500), (720, 540), (1200, 300), (640, 427), (700, 500), (1100, 500))


class Sample:
    """A prefix with its pictures, and branches about them."""

    def __init__(self, pictures, prefix, branches):
        self.pictures = pictures  # scenes
        self.prefix = prefix      # ids
        self.branches = branches  # of (kind, ids, flags); a flag marks an id to learn


def _system(rng, tokenizer):
    draw = rng.random()
    if draw < 0.06:
        return []
    text = rng.choice(OTHER_SYSTEMS) if draw < 0.14 else SYSTEM
    return tokenizer.message("system", [text])


def _branch(tokenizer, dialogue, head):
    """Ids and flags of a dialogue whose first question follows `head`, text
    that opens the user's turn."""
    start, end, feed = tokenizer.start, tokenizer.end, list(tokenizer.encode("\n"))
    assistant = [start, *tokenizer.encode("assistant\n")]
    ids, flags = [], []
    for i, (question, answer) in enumerate(dialogue.turns):
        opening = tokenizer.encode(head + question) if i == 0 else [*feed, start, *tokenizer.encode("user\n" + question)]
        opening = [*opening, end, *feed, *assistant]
        said = [*tokenizer.encode(answer), end]
        ids += opening + said
        flags += [False] * len(opening) + [True] * len(said)
    return dialogue.kind, ids, flags


def _fill(rng, tokenizer, make, head, room):
    """Branches until `room` tokens are full."""
    branches = []
    while True:
        branch = _branch(tokenizer, make(), head)
        if len(branch[1]) > room:
            if branches:
                return branches
            continue
        room -= len(branch[1])
        branches.append(branch)


def _image(tokenizer, count):
    return [tokenizer.image_start] + [tokenizer.image] * count + [tokenizer.image_end]


# Below, `rng` chooses the scenes and `talk` what is said about them.

def one_picture(rng, talk, tokenizer, size, room, per_tile, tiles=None, mix=dialogues.ONE_PICTURE):
    scene = scenes.sample_scene(rng, *size)
    rng = talk
    image = _image(tokenizer, per_tile * (tiles or tile_count(*size)))
    opening = [*_system(rng, tokenizer), tokenizer.start]
    if rng.random() < 0.12:  # the question stands before the picture
        dialogue = dialogues.about_one(rng, scene, mix)
        (question, answer), *more = dialogue.turns
        prefix = opening + [*tokenizer.encode("user\n" + question), *image]
        rest = dialogues.Dialogue(dialogue.kind, (("", answer), *more))
        return Sample([scene], prefix, [_branch(tokenizer, rest, "\n")])
    prefix = opening + [*tokenizer.encode("user\n"), *image]
    return Sample([scene], prefix, _fill(rng, tokenizer, lambda: dialogues.about_one(rng, scene, mix), "\n", room))


def two_pictures(rng, talk, tokenizer, sizes, room, per_tile, tiles=None):
    pair = scenes.sample_pair(rng, sizes)
    rng = talk
    images = [_image(tokenizer, per_tile * (tiles or tile_count(*size))) for size in sizes]
    opening = [*_system(rng, tokenizer), tokenizer.start]
    layout = rng.random()
    make = lambda: dialogues.about_two(rng, pair)
    if layout < 0.2:  # the second picture comes in a later turn
        dialogue = dialogues.about_one(rng, pair[0])
        first = _branch(tokenizer, dialogues.Dialogue(dialogue.kind, dialogue.turns[:1]), "\n")[1]
        prefix = opening + [*tokenizer.encode("user\n"), *images[0], *first, *tokenizer.encode("\n"), tokenizer.start,
                            *tokenizer.encode("user\n"), *images[1]]
        make = lambda: dialogues.about_one(rng, pair[1]) if rng.random() < 0.6 else dialogues.about_two(rng, pair)
    elif layout < 0.3:  # the question stands before the pictures
        dialogue = dialogues.about_two(rng, pair)
        (question, answer), *more = dialogue.turns
        prefix = opening + [*tokenizer.encode("user\n" + question), *images[0], *tokenizer.encode("\n"), *images[1]]
        return Sample(list(pair), prefix, [_branch(tokenizer, dialogues.Dialogue(dialogue.kind, (("", answer), *more)), "\n")])
    elif layout < 0.45:
        prefix = opening + [*tokenizer.encode("user\nImage-1: "), *images[0], *tokenizer.encode("\nImage-2: "), *images[1]]
    else:
        prefix = opening + [*tokenizer.encode("user\n"), *images[0], *tokenizer.encode("\n"), *images[1]]
    return Sample(list(pair), prefix, _fill(rng, tokenizer, make, "\n", room))


def no_picture(rng, tokenizer, room):
    scene = scenes.sample_scene(rng, 448, 448)
    prefix = [*_system(rng, tokenizer), tokenizer.start]
    return Sample([], prefix, _fill(rng, tokenizer, lambda: dialogues.about_none(rng, scene), "user\n", room))


def small_samples(rng, talk, tokenizer, tiles, room):
    """Phase 1: pictures of 224 px, each a window of the model's tile."""
    size = (224, 224)
    pairs = tiles // 9
    return ([one_picture(rng, talk, tokenizer, size, room, 64, 1) for _ in range(tiles - 2 * pairs)]
            + [two_pictures(rng, talk, tokenizer, (size, size), room, 64, 1) for _ in range(pairs)]
            + [no_picture(talk, tokenizer, room) for _ in range(max(2, tiles // 40))])


def real_samples(rng, talk, tokenizer, tiles, room, mix=dialogues.ONE_PICTURE):
    """Phases 2 and 3: real tiles: mostly one a picture, the rest grids and pairs."""
    samples = [no_picture(talk, tokenizer, room) for _ in range(max(2, tiles // 32))]
    sizes = [rng.choice(ONE_TILE) for _ in range(3)]
    for _ in range(tiles // 11):
        samples.append(two_pictures(rng, talk, tokenizer, (rng.choice(sizes), rng.choice(sizes)), room, 256))
    left = tiles - 2 * (tiles // 11)
    for _ in range(3):
        size = rng.choice(GRIDS)
        for _ in range(tiles // 10 // tile_count(*size)):
            samples.append(one_picture(rng, talk, tokenizer, size, room, 256, mix=mix))
            left -= tile_count(*size)
    size = rng.choice(GRIDS)  # pairs with a grid in them
    layout = [size, rng.choice((size, (448, 448)))]
    rng.shuffle(layout)
    cost = sum(tile_count(*s) for s in layout)
    for _ in range(tiles // 9 // cost):
        samples.append(two_pictures(rng, talk, tokenizer, layout, room, 256))
        left -= cost
    samples += [one_picture(rng, talk, tokenizer, sizes[i % 3], room, 256, mix=mix) for i in range(left)]
    return samples


def _round_up(n):
    return -n % 8 + n


def _group(samples, first_tiles, counts, tokenizer, kinds):
    """Samples of one picture layout as arrays."""
    prefix = _round_up(max(len(s.prefix) for s in samples))
    room = _round_up(max(sum(len(b[1]) for b in s.branches) for s in samples))
    b = len(samples)
    ids = np.full((b, prefix + room), tokenizer.pad, np.int64)
    positions = np.zeros((b, prefix + room), np.int64)
    branch = np.full((b, room), -1, np.int64)
    targets, rows, owners, owner_kinds = [], [], [], []
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
            for k in range(1, n):
                if flags[k]:
                    targets.append(tokens[k])
                    rows.append(i * (prefix + room) + at + k - 1)
                    owners.append(len(owner_kinds))
            owner_kinds.append(kinds.setdefault(kind, len(kinds)))
            at += n
    tiles = [[t for p in s.pictures for t in range(first_tiles[id(p)], first_tiles[id(p)] + counts[id(p)])] for s in samples]
    arrays = dict(ids=ids, positions=positions, branch=branch, lengths=np.array([len(s.prefix) for s in samples]),
                  targets=np.array(targets), rows=np.array(rows), owners=np.array(owners),
                  tiles=np.array(tiles, np.int64).reshape(b, -1))
    return dict({k: torch.from_numpy(v) for k, v in arrays.items()}, prefix=prefix, kinds=owner_kinds)


def build(samples, tokenizer, small):
    """The step: `draws` (scenes of one size, with their tiles in order) and
    `groups` (sequences of one picture layout)."""
    by_size = {}
    for sample in samples:
        for scene in sample.pictures:
            by_size.setdefault((scene.width, scene.height), []).append(scene)
    draws, first_tiles, counts, total = [], {}, {}, 0
    for (width, height), group in by_size.items():
        count = 1 if small else tile_count(width, height)
        # A step compiles for many pictures; one alone would compile anew.
        drawn = group if len(group) > 1 else group * 2
        things, backgrounds = scenes.pack(drawn)
        quality = torch.tensor([float(s.quality) for s in drawn])
        draws.append(dict(width=width, height=height, used=len(group), things=things, backgrounds=backgrounds, quality=quality, tiles=count,
                          side=224 if small else TILE))
        for scene in group:
            first_tiles[id(scene)], counts[id(scene)] = total, count
            total += count
    layouts = {}
    for sample in samples:
        layouts.setdefault(tuple(counts[id(p)] for p in sample.pictures), []).append(sample)
    kinds = {}
    groups = [_group(group, first_tiles, counts, tokenizer, kinds) for group in layouts.values()]
    return dict(draws=draws, groups=groups, kinds=list(kinds), total=total)


class Steps(torch.utils.data.Dataset):
    """Step i of a phase, the same whoever asks: seeded by (seed, phase, i).
    With `pool`, the pictures of step i are those of step i % pool."""

    def __init__(self, tokenizer, seed, phase, tiles, room, pool=0):
        self.tokenizer, self.seed, self.phase, self.tiles, self.room, self.pool = tokenizer, seed, phase, tiles, room, pool

    def __getitem__(self, i):
        rng = random.Random(f"{self.seed}/{self.phase}/{i % self.pool if self.pool else i}")
        talk = random.Random(f"{self.seed}/{self.phase}/{i}/talk")
        if self.phase == 1:
            samples = small_samples(rng, talk, self.tokenizer, self.tiles, self.room)
        else:
            samples = real_samples(rng, talk, self.tokenizer, self.tiles, self.room,
                                   dialogues.PLACES if self.phase == 3 else dialogues.ONE_PICTURE)
        step = build(samples, self.tokenizer, self.phase == 1)
        step["seed"] = rng.getrandbits(48)
        return step
