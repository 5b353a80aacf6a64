// The panel's first page: tiles, stages and tokens of one request, or the tiles
// of pictures that are not asked about yet.

import { byId, count, element, milliseconds, plural } from './dom.js';
import { countTiles } from './tile_grid.js';

// In the order of a request's life, with who does it.
const stages = [
  ['queue', 'Queue', 'gateway'],
  ['image_decode', 'Image decode', 'vision'],
  ['preprocess', 'Preprocess', 'vision'],
  ['encode_queue', 'Encode queue', 'vision'],
  ['encode', 'Encode', 'vision'],
  ['transfer', 'Transfer', 'vision'],
  ['decode_queue', 'Decode queue', 'language'],
  ['prefill', 'Prefill', 'language'],
  ['decode', 'Decode', 'language'],
];
const keys = [
  ['gateway', 'Gateway'],
  ['vision', 'Vision'],
  ['language', 'Language'],
];
const widthOfTiles = 258; // CSS pixels
const widthOfThumbnail = 74;
const highest = 260;
const gap = 3;

export function tokensPerSecond({ usage, timings }) {
  const tokens = (usage?.completion_tokens ?? 0) - 1;
  return tokens > 0 && timings?.decode > 0 ? (1000 * tokens) / timings.decode : 0;
}

// `pictures` with their `grids`, as one request has them; `answer` may be
// missing. `model`: {tileSize, tokensPerTile}.
export function inspect(pictures, grids, answer, model) {
  byId('seen').hidden = pictures.length === 0;
  byId('seenPictures').replaceChildren(
    ...pictures.map((picture, index) => seen(picture, grids[index], model)),
  );
  byId('spent').hidden = !answer?.timings;
  byId('used').hidden = !answer?.usage;
  byId('inspectEmpty').hidden = pictures.length > 0 || Boolean(answer?.timings || answer?.usage);
  if (answer?.timings) showTimings(answer);
  if (answer?.usage) showUsage(answer.usage);
}

function seen(picture, grid, { tileSize, tokensPerTile }) {
  const tiles = countTiles(grid);
  const what = tiles > 1 ? `${grid.columns} × ${grid.rows} tiles` : 'One tile';
  const figures = [drawTiles(picture.preview, grid, widthOfTiles, what)];
  if (tiles > 1)
    figures.push(
      drawTiles(picture.preview, { columns: 1, rows: 1 }, widthOfThumbnail, 'Thumbnail'),
    );
  return element(
    'div',
    { class: 'seen', 'data-grid': `${grid.columns}x${grid.rows}`, 'data-tiles': tiles },
    element(
      'p',
      { class: 'name' },
      element('span', { title: picture.name }, picture.name),
      element('span', {}, `${count(picture.width)} × ${count(picture.height)} px`),
    ),
    element('div', { class: 'tile-row' }, figures),
    element(
      'p',
      { class: 'sum' },
      `${what} of ${tileSize} px`,
      tiles > 1 ? ' and a thumbnail' : '',
      tokensPerTile ? ` · ${plural(tiles * tokensPerTile, 'token')}` : '',
    ),
  );
}

// Every tile is square, whatever part of the picture it shows: the picture is
// stretched onto the grid.
function drawTiles(preview, { columns, rows }, widest, caption) {
  const byWidth = (widest - gap * (columns - 1)) / columns;
  const byHeight = (highest - gap * (rows - 1)) / rows;
  const side = Math.max(6, Math.floor(Math.min(byWidth, byHeight, columns * rows > 1 ? 120 : 150)));
  const scale = window.devicePixelRatio || 1;
  const width = columns * side + gap * (columns - 1);
  const height = rows * side + gap * (rows - 1);
  const canvas = element('canvas', { role: 'img', 'aria-label': caption });
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.style.width = `${width}px`;
  const context = canvas.getContext('2d');
  context.scale(scale, scale);
  context.imageSmoothingQuality = 'high';
  const partWidth = preview.width / columns;
  const partHeight = preview.height / rows;
  for (let row = 0; row < rows; ++row) {
    for (let column = 0; column < columns; ++column) {
      context.drawImage(
        preview,
        column * partWidth,
        row * partHeight,
        partWidth,
        partHeight,
        column * (side + gap),
        row * (side + gap),
        side,
        side,
      );
    }
  }
  return canvas;
}

function showTimings({ usage, timings }) {
  const rate = tokensPerSecond({ usage, timings });
  byId('spentFigures').replaceChildren(
    fact('Total', milliseconds(timings.total)),
    fact('First token', milliseconds(timings.time_to_first_token)),
    fact('Tokens/s', rate ? rate.toFixed(rate < 100 ? 1 : 0) : '–'),
  );
  const sum = stages.reduce((total, [name]) => total + (timings[name] ?? 0), 0);
  const whole = Math.max(sum, timings.total ?? 0, 0.001);
  let start = 0;
  const rows = stages.map(([name, label, who]) => {
    const value = timings[name] ?? 0;
    const row = stageRow({ name, label, who, value, start, whole });
    start += value;
    return row;
  });
  byId('stages').replaceChildren(
    element(
      'table',
      { class: 'stages', 'aria-label': 'Time of each stage' },
      element('tbody', {}, rows),
    ),
    element(
      'p',
      { class: 'legend' },
      keys.map(([who, label]) => element('span', {}, element('i', { class: `key ${who}` }), label)),
    ),
  );
}

function fact(label, value) {
  return element('div', {}, element('span', {}, label), element('strong', {}, value));
}

function stageRow({ name, label, who, value, start, whole }) {
  const bar = element('div', { class: `bar ${who}` });
  bar.style.left = `${(100 * start) / whole}%`;
  bar.style.width = `${(100 * value) / whole}%`;
  return element(
    'tr',
    { class: value > 0 ? 'some' : 'none', 'data-stage': name },
    element('th', { scope: 'row' }, label),
    element('td', {}, element('div', { class: 'track' }, value > 0 ? bar : null)),
    element('td', {}, value > 0 ? milliseconds(value) : '–'),
  );
}

function showUsage(usage) {
  const { image_tokens: image = 0, cached_tokens: cached = 0 } = usage.prompt_tokens_details ?? {};
  const rows = [
    ['Prompt', usage.prompt_tokens],
    ['of pictures', image, 'part'],
    ['found in the cache', cached, 'part'],
    ['Answer', usage.completion_tokens],
  ];
  byId('usage').replaceChildren(
    ...rows
      .filter(([, value, part]) => !part || value > 0)
      .flatMap(([label, value, part]) => [
        element('dt', { class: part }, label),
        element('dd', { class: part }, count(value)),
      ]),
  );
}
