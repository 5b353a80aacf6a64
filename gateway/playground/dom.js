// Elements, made in one line. Text becomes text nodes, never markup.

// `properties`: "class", "data-*", "aria-*", "role" and the like become
// attributes, "on..." listeners, the rest properties of the element.
export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name in node && !name.includes('-')) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== undefined && child !== null));
  return node;
}

const drawings = {
  copy: 'M9 9h10v11H9zM5 15V4h10',
  again: 'M19 12a7 7 0 1 1-2.2-5.1M19 4v4h-4',
  pencil: 'M4 20l1-4L16 5l3 3L8 19zM14 7l3 3',
  cross: 'M6 6l12 12M18 6L6 18',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  bars: 'M5 6h8M5 12h14M9 18h7',
};

export function icon(name) {
  const namespace = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(namespace, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('class', 'icon');
  const path = document.createElementNS(namespace, 'path');
  path.setAttribute('d', drawings[name]);
  svg.append(path);
  return svg;
}

export const byId = (id) => document.getElementById(id);

// 1234.5 -> "1.23 s", 87.25 -> "87 ms", 0.4 -> "0.4 ms".
export function milliseconds(value) {
  if (value > 0 && value < 0.1) return '< 0.1 ms';
  if (value >= 1000) return `${(value / 1000).toFixed(value >= 10000 ? 1 : 2)} s`;
  return `${value >= 10 || value === 0 ? Math.round(value) : value.toFixed(1)} ms`;
}

export const count = (value) => value.toLocaleString('en');

export function plural(value, word) {
  return `${count(value)} ${word}${value === 1 ? '' : 's'}`;
}

export const mebibytes = (bytes) => `${(bytes / (1 << 20)).toFixed(1)} MiB`;
