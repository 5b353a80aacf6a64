"""From a picture to normalised tiles, as InternVL's own code does it: the grid
of the nearest aspect ratio, Pillow's bicubic filter, a thumbnail last."""

import numpy as np
import torch
from PIL import Image

TILE = 448
MAX_TILES = 12
_MEAN = torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1)
_STD = torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1)


def choose_grid(width, height, max_tiles=MAX_TILES):
    """(columns, rows) of the grid nearest in aspect; on a tie the larger grid,
    if the picture has more than half its pixels."""
    candidates = sorted(((i, j) for i in range(1, max_tiles + 1) for j in range(1, max_tiles + 1) if i * j <= max_tiles),
                        key=lambda c: c[0] * c[1])
    best, best_difference = (1, 1), float("inf")
    for columns, rows in candidates:
        difference = abs(width / height - columns / rows)
        if difference < best_difference:
            best, best_difference = (columns, rows), difference
        elif difference == best_difference and width * height > 0.5 * TILE * TILE * columns * rows:
            best = columns, rows
    return best


def tile_count(width, height, max_tiles=MAX_TILES):
    """Tiles of a picture, the thumbnail included."""
    columns, rows = choose_grid(width, height, max_tiles)
    return with_thumbnail(columns * rows)


def with_thumbnail(tiles):
    """Tiles of a grid of so many, the thumbnail included."""
    return tiles + (tiles > 1)


def by_pillow(picture, width, height):
    return np.array(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))


def mosaic(picture, columns, rows, side=TILE, resize=by_pillow):
    """A uint8 picture [h, w, 3] as the grid's tiles [n, side, side, 3], row by
    row, a thumbnail last if there are several. Needs Pillow < 13, whose filter
    runs over the rows first."""
    fitted = lambda width, height: picture if picture.shape[:2] == (height, width) else resize(picture, width, height)
    large = fitted(columns * side, rows * side)
    tiles = large.reshape(rows, side, columns, side, 3).transpose(0, 2, 1, 3, 4).reshape(-1, side, side, 3)
    return np.concatenate((tiles, fitted(side, side)[None])) if columns * rows > 1 else tiles


def normalise(tiles):
    """Values 0..255, [n, 3, h, w], to the model's input, float32."""
    return (tiles / 255 - _MEAN.to(tiles.device)) / _STD.to(tiles.device)


def cut(picture, max_tiles=MAX_TILES):
    """A Pillow picture as tiles [n, 3, 448, 448], uint8."""
    tiles = mosaic(np.array(picture.convert("RGB")), *choose_grid(*picture.size, max_tiles))
    return torch.from_numpy(tiles.transpose(0, 3, 1, 2).copy())
