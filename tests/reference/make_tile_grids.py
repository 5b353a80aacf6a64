#!/usr/bin/env python3
"""Makes tests/data/goldens/tile_grids.json: what grid a picture is cut by.

Both that choose grids are compared with it: common/tile_grid.h and, for what the
playground shows, gateway/playground/tile_grid.js.
"""

import json
import random

from common import DATA, choose_tile_grid

FIELDS = ["width", "height", "tile_size", "max_tiles", "columns", "rows"]
MAX_TILES = (1, 2, 3, 6, 7, 12, 13, 24, 40)


def sizes():
    """Named ones, exact ratios just around the areas that decide ties, others."""
    yield from ((1, 1), (1, 16384), (16384, 1), (16384, 2441), (640, 480), (4032, 3024),
                (1920, 1080), (2480, 3508), (1170, 2532), (800, 600), (333, 4000))  # fmt: skip
    for columns, rows in ((1, 1), (2, 1), (1, 2), (3, 2), (4, 3), (5, 4), (1, 3)):
        for tiles in (1, 2, 4, 6, 8, 12, 24):
            edge = (0.5 * 448 * 448 * tiles / (columns * rows)) ** 0.5
            for scale in (int(edge), int(edge) + 1):
                yield columns * scale, rows * scale
    draw = random.Random(6)
    for _ in range(120):
        yield draw.randint(1, 5000), draw.randint(1, 5000)


def main():
    cases = []
    for index, (width, height) in enumerate(sizes()):
        max_tiles = MAX_TILES[index % len(MAX_TILES)]
        for tile_size, most in ((448, 12), (448, max_tiles), (336, max_tiles)):
            grid = choose_tile_grid(width, height, most, tile_size=tile_size)
            cases.append([width, height, tile_size, most, *grid])
    lines = ",\n".join(json.dumps(case) for case in cases)
    path = DATA / "goldens" / "tile_grids.json"
    path.write_text(f'{{"fields": {json.dumps(FIELDS)},\n"cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
