// Draws the pictures of questions.json as PNG files, by SVG and resvg (nothing of it is shared with the training's painter).
//
//   npm install @resvg/resvg-js @iconify-json/{noto,twemoji,fluent-emoji-flat,openmoji} \
//     @expo-google-fonts/{bitter,lato,merriweather,pt-sans}
//   node draw.mjs questions.json OUT      # in the folder of node_modules; OUT/NAME.png for each picture
//
// A picture is {size: [w, h], ground: [colour, colour], parts: [...]}. A part has `at` (its centre) and `size`, and one of
// icon ("set:name"), shape with fill, text with font and fill (size: height of the capitals), digit (64 greys as base-17 digits),
// pen (a path in a 100 by 100 box).
import { createRequire } from "node:module";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const require = createRequire(join(process.cwd(), "any.js"));
const { Resvg } = require("@resvg/resvg-js");
const fontFiles = [
  ["lato", "400Regular/Lato_400Regular"], ["lato", "700Bold/Lato_700Bold"],
  ["merriweather", "400Regular/Merriweather_400Regular"], ["merriweather", "700Bold/Merriweather_700Bold"],
  ["bitter", "400Regular/Bitter_400Regular"], ["bitter", "700Bold/Bitter_700Bold"], ["pt-sans", "700Bold/PTSans_700Bold"],
].map(([family, file]) => join(process.cwd(), `node_modules/@expo-google-fonts/${family}/${file}.ttf`));
const CAPITALS = {
  Bitter: 0.7, Lato: 0.717, Merriweather: 0.743, "PT Sans": 0.7,
  "DejaVu Sans": 0.729, "DejaVu Serif": 0.729, "DejaVu Sans Mono": 0.729,
};

const star = [...Array(10).keys()].map((i) => {
  const r = i % 2 ? 20 : 50, a = (i * Math.PI) / 5;
  return `${50 + r * Math.sin(a)},${53 - r * Math.cos(a)}`;
}).join(" ");
const SHAPES = {
  circle: '<circle cx="50" cy="50" r="47"/>',
  square: '<rect x="6" y="6" width="88" height="88"/>',
  triangle: '<polygon points="50,6 97,92 3,92"/>',
  star: `<polygon points="${star}"/>`,
  heart: '<path d="M50 93C20 68 3 50 3 29C3 14 14 5 27 5C37 5 45 10 50 19C55 10 63 5 73 5C86 5 97 14 97 29C97 50 80 68 50 93Z"/>',
  cross: '<path d="M35 4H65V35H96V65H65V96H35V65H4V35H35Z"/>',
  diamond: '<polygon points="50,2 88,50 50,98 12,50"/>',
  moon: '<path d="M64 4A48 48 0 1 0 96 68A40 40 0 0 1 64 4Z"/>',
};

const sets = {};
let serial = 0;

/** The body of an icon, its ids made unique, scaled into a 100 by 100 box. */
function icon(id) {
  const [set, wanted] = id.split(":");
  const all = (sets[set] ??= require(`@iconify-json/${set}/icons.json`));
  const name = all.icons[wanted] ? wanted : all.aliases[wanted].parent;
  const own = all.icons[name], width = own.width ?? all.width, height = own.height ?? all.height, tag = `i${serial++}-`;
  const body = own.body.replace(/\bid="/g, `id="${tag}`).replace(/url\(#/g, `url(#${tag}`).replace(/href="#/g, `href="#${tag}`);
  const scale = 100 / Math.max(width, height);
  return `<g transform="translate(${50 - width * scale / 2} ${50 - height * scale / 2}) scale(${scale})">${body}</g>`;
}

/** A digit of 8 by 8 greys, smoothed; as ink with an edge or as soft as it is. */
function digit(greys, ink) {
  const cells = [...greys].map((c, i) => [parseInt(c, 17) / 16, i % 8, i >> 3]).filter(([grey]) => grey > 0)
    .map(([grey, x, y]) => `<rect x="${x * 12.5}" y="${y * 12.5}" width="12.6" height="12.6" fill-opacity="${grey}"/>`);
  return `<g filter="url(#${ink ? "ink" : "soft"})">${cells.join("")}</g>`;
}

function part(p) {
  const [x, y] = p.at;
  if (p.text)
    return `<text x="${x}" y="${y + p.size / 2}" text-anchor="middle" font-family="${p.font}" font-weight="${p.weight}" ` +
      `font-size="${p.size / CAPITALS[p.font]}" fill="${p.fill}">${p.text}</text>`;
  const scale = p.size / 100;
  const body = p.icon ? icon(p.icon) : p.shape ? SHAPES[p.shape] : p.digit ? digit(p.digit, p.ink)
    : `<path d="${p.pen}" fill="none" stroke="${p.fill}" stroke-width="9" stroke-linecap="round" stroke-linejoin="round"/>`;
  return `<g transform="translate(${x - p.size / 2} ${y - p.size / 2}) rotate(${p.turn ?? 0} ${p.size / 2} ${p.size / 2}) ` +
    `scale(${scale})" ${p.fill && !p.pen ? `fill="${p.fill}"` : ""}>${body}</g>`;
}

function svg({ size: [w, h], ground, parts }) {
  return `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${w}" height="${h}">` +
    `<defs><linearGradient id="ground" x2="0.4" y2="1"><stop stop-color="${ground[0]}"/><stop offset="1" stop-color="${ground[1]}"/>` +
    '</linearGradient><filter id="soft"><feGaussianBlur stdDeviation="4.5"/></filter>' +
    '<filter id="ink"><feGaussianBlur stdDeviation="5"/><feComponentTransfer><feFuncA type="linear" slope="6" intercept="-2.2"/>' +
    '</feComponentTransfer></filter></defs>' +
    `<rect width="${w}" height="${h}" fill="url(#ground)"/>${parts.map(part).join("")}</svg>`;
}

const [questions, out] = process.argv.slice(2);
mkdirSync(out, { recursive: true });
for (const [name, picture] of Object.entries(JSON.parse(readFileSync(questions)).pictures)) {
  const drawn = new Resvg(svg(picture), { font: { fontFiles, loadSystemFonts: true } });
  writeFileSync(join(out, `${name}.png`), drawn.render().asPng());
}
