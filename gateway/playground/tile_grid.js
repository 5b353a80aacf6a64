// The tiles that the model sees of a picture: the rules of common/tile_grid.h
// and gateway/chat_plan.h. The server decides; this only shows.

export const maxTilesOfARequest = 64;
export const maxTilesWithoutHighDetail = 12;

// The grid whose aspect ratio is nearest to the picture's; of equally near ones
// the larger, if the picture has more than half the pixels that it holds.
export function chooseTileGrid(width, height, tileSize, maxTiles) {
  const aspectRatio = width / height;
  let best = { columns: 1, rows: 1 };
  let bestDifference = Infinity;
  for (let tiles = 1; tiles <= maxTiles; ++tiles) {
    for (let columns = 1; columns <= tiles; ++columns) {
      if (tiles % columns !== 0) continue;
      const rows = tiles / columns;
      const difference = Math.abs(aspectRatio - columns / rows);
      const tie = difference === bestDifference;
      const isLarge = width * height > 0.5 * tileSize * tileSize * tiles;
      if (difference < bestDifference || (tie && isLarge)) {
        best = { columns, rows };
        bestDifference = difference;
      }
    }
  }
  return best;
}

// With the thumbnail, which a grid of several tiles has beside it.
export function countTiles({ columns, rows }) {
  const cut = columns * rows;
  return cut === 1 ? 1 : cut + 1;
}

// The grids of all pictures ({width, height}) of one request. Where they take
// more than a request may have, each gets fewer, unless `detail` is "high".
export function planTiles(pictures, { tileSize, maxTiles, detail = 'auto' }) {
  const isHigh = detail === 'high';
  const most =
    detail === 'low' ? 1 : isHigh ? maxTiles : Math.min(maxTiles, maxTilesWithoutHighDetail);
  const gridsOf = (limit) =>
    pictures.map(({ width, height }) => chooseTileGrid(width, height, tileSize, limit));
  let grids = gridsOf(most);
  for (let limit = most; limit > 1 && !isHigh && sumOfTiles(grids) > maxTilesOfARequest;) {
    grids = gridsOf(--limit);
  }
  return grids;
}

export function sumOfTiles(grids) {
  return grids.reduce((sum, grid) => sum + countTiles(grid), 0);
}
