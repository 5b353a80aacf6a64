"""Maps of what is where in a scene: what training's thrown-away heads are to find in each patch."""

import math

import cv2
import numpy as np

import painter
import world

_NEAREST = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
LINE = 1.5     # height of a line of text in capitals, for the maps
SPELLED = 8    # characters of a text, for the maps


def _row(assets, item):
    """A line of text as one row of pixels, 1 + index of the character there; its
    width and its capitals' height in the picture; and how far each character's
    middle is from the line's."""
    glyphs, finer, left, right, cap = painter.text_line(assets, item)
    row = np.zeros((1, max(1, right - left)), np.uint8)
    for (pen, (_, _, _, advance)), character in zip(glyphs, item.text):
        at = max(0, pen - left)
        row[0, at:max(at + 1, round(pen - left + advance))] = 1 + world.CHARACTERS.find(character)
    if glyphs:
        row[0, round(glyphs[-1][0] - left):] = row[0, -1] or 1 + world.CHARACTERS.find(item.text[-1])
    middles = [(pen + advance / 2 - (left + right) / 2) / finer for pen, (_, _, _, advance) in glyphs]
    return row, (right - left) / finer, cap / finer, middles


_FULL = np.full((8, 8), 255, np.uint8)


def _mask(assets, item):
    """What an item other than text covers, as a texture, and its width and height in pixels of the picture."""
    wide, high = painter.item_sides(item)
    if item.kind == "shape":
        mask = painter.shape_cover(item.name)
    elif item.kind == "thing":
        mask = painter.sprite_levels(assets, item.look.source, item.name)[0][painter.LEVELS[2]][1]
    else:
        mask = painter.cached(assets, ("blob", item.look.source), lambda: cv2.dilate(
            painter.digit_mask(assets, item.look.source, False), np.ones((13, 13), np.uint8)))
    return mask, wide * painter.MARGIN, high * painter.MARGIN


def _project(item, texture, wide, high, grid):
    """A texture that is wide x high pixels of the picture, at the points of a grid."""
    x0, y0, step_x, step_y, columns, rows = grid
    kx = texture.shape[1] / wide * (-1 if item.look.flip and item.kind == "thing" else 1)
    matrix = painter.to_texture(item, x0, y0, step_x, step_y, texture.shape[1] / 2, texture.shape[0] / 2, kx, texture.shape[0] / high)
    return cv2.warpAffine(texture, matrix, (columns, rows), flags=_NEAREST)


def patch_labels(scene, views, side, assets):
    """What the patches of each view show. A view is a box x, y, w, h of the picture
    that is cut into side x side patches. All are [views, patches], uint8:

    class   world.label of the topmost item that covers the patch's middle, else 0
    colour  likewise, 1 + the colour of a shape
    centre  1 where the middle of an item lies in the patch
    chars   [views, 2 * patches]: the same for two points of each patch, side by side,
            1 + the index of the character that stands there
    spelled [views, patches / 4 * SPELLED]: for each square of two by two patches and each
            place in a text, 1 + the index of the character that has its middle there
    """
    count = len(views)
    classes = np.zeros((count, side, side), np.uint8)
    colours = np.zeros((count, side, side), np.uint8)
    centres = np.zeros((count, side, side), np.uint8)
    characters = np.zeros((count, side, 2 * side), np.uint8)
    spelled = np.zeros((count, side // 2, side // 2, SPELLED), np.uint8)
    written = False  # is there text below the item?
    for item in scene.items:
        is_text = item.kind == "text"
        if is_text:
            line, wide, high, middles = _row(assets, item)
            mask, high = _FULL, high * LINE
        else:
            mask, wide, high = _mask(assets, item)
        reach = math.hypot(wide, high) / 2
        name = world.label(item)
        for v, (x, y, w, h) in enumerate(views):
            if not (x - reach < item.x < x + w + reach and y - reach < item.y < y + h + reach):
                continue
            px, py = w / side, h / side
            cover = _project(item, mask, wide, high, (x + px / 2, y + py / 2, px, py, side, side)) > 127
            classes[v][cover] = name
            colours[v][cover] = 1 + item.colour if item.kind == "shape" else 0
            column, row = int((item.x - x) // px), int((item.y - y) // py)
            if 0 <= column < side and 0 <= row < side:
                centres[v, row, column] = 1
            if is_text or written:
                grid = x + px / 4, y + py / 2, px / 2, py, 2 * side, side
                cover = _project(item, mask, wide, high, grid) > 127
                characters[v][cover] = _project(item, line, wide, high, grid)[cover] if is_text else 0
            if is_text:
                for place, (character, along) in enumerate(zip(item.text[:SPELLED], middles)):
                    column = int((item.x + along * math.cos(item.angle) - x) // (2 * px))
                    row = int((item.y + along * math.sin(item.angle) - y) // (2 * py))
                    if 0 <= column < side // 2 and 0 <= row < side // 2:
                        spelled[v, row, column, place] = 1 + world.CHARACTERS.find(character)
        written = written or is_text
    return {"class": classes.reshape(count, -1), "colour": colours.reshape(count, -1),
            "centre": centres.reshape(count, -1), "chars": characters.reshape(count, -1), "spelled": spelled.reshape(count, -1)}
