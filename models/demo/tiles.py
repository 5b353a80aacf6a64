"""From a picture to normalised tiles, as InternVL's own code does it: the grid
of the nearest aspect ratio, Pillow's bicubic filter, a thumbnail last."""

import numpy as np
import torch

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
    return columns * rows + (columns * rows > 1)


def normalise(tiles):
    """Values 0..255, [n, 3, h, w], to the model's input, float32."""
    return (tiles / 255 - _MEAN.to(tiles.device)) / _STD.to(tiles.device)


def cut(picture, max_tiles=MAX_TILES):
    """A Pillow picture as tiles [n, 3, 448, 448], uint8. Needs Pillow < 13,
    whose filter runs over the rows first."""
    from PIL import Image
    picture = picture.convert("RGB")
    columns, rows = choose_grid(*picture.size, max_tiles)
    large = np.asarray(picture.resize((columns * TILE, rows * TILE), Image.Resampling.BICUBIC))
    tiles = large.reshape(rows, TILE, columns, TILE, 3).transpose(0, 2, 4, 1, 3).reshape(-1, 3, TILE, TILE)
    if columns * rows > 1:
        small = np.asarray(picture.resize((TILE, TILE), Image.Resampling.BICUBIC))
        tiles = np.concatenate((tiles, small.transpose(2, 0, 1)[None]))
    return torch.from_numpy(tiles.copy())
