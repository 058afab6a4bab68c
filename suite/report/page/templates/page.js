"use strict";
// What all parts of the page share: its data, elements that hold text as text, and the choice of what is shown.

const data = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";
const ALL = "all";

// Everything that others wrote becomes a text node, never markup.
function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return made;
}
const element = (tag, attributes = {}, ...children) => filled(document.createElement(tag), attributes, children);
const drawn = (tag, attributes = {}, ...children) => filled(document.createElementNS(SVG, tag), attributes, children);

const isolated = (text) => element("bdi", {}, text);
const number = (value, decimals) => (value === null ? "–" : value.toFixed(decimals));
const grouped = (value) => (value === null ? "–" : Math.round(value).toLocaleString("en"));
const decibel = (place) => `${data.snrs[place]} dB`;
const colour = (method) => method.colour || "var(--ink)";

// The points of a data set, channel and metric, found once.
const pointsOf = (() => {
  const groups = new Map();
  const columns = data.points;
  (columns.mean || []).forEach((_, index) => {
    const point = {};
    for (const [name, values] of Object.entries(columns)) point[name] = values[index];
    const key = [point.dataset, point.channel, point.metric].join("/");
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(point);
  });
  return (dataset, channel, metric) => groups.get([dataset, channel, metric].join("/")) || [];
})();

const chosen = {
  dataset: 0, channel: 0, metric: data.first_metric, cr: ALL, snr: ALL, words: "", hidden: new Set(), sort: null, descending: false, x: "snr", bands: true,
};

function shownPoints() {
  const words = chosen.words.trim().toLowerCase();
  const named = (method) => !words || `${method.name} ${method.id}`.toLowerCase().includes(words);
  return pointsOf(chosen.dataset, chosen.channel, chosen.metric).filter(
    (point) => !chosen.hidden.has(point.method) && named(data.methods[point.method]) && (chosen.cr === ALL || point.cr === chosen.cr),
  );
}

// A list to choose from; it is disabled where there is nothing to choose.
function selection(label, options, value, onchoose) {
  const list = element("select", {
    disabled: options.length < 2,
    onchange: () => onchoose(options[list.selectedIndex][0]),
  });
  for (const [key, text] of options) list.append(element("option", { selected: key === value }, text));
  return element("label", {}, label, list);
}

function marker(x, y, method, size = 3.5) {
  const look = { fill: method.filled ? colour(method) : "var(--ground)", stroke: colour(method), "stroke-width": 1.2 };
  const polygon = (corners) => drawn("polygon", { points: corners.map(([dx, dy]) => `${x + dx * size},${y + dy * size}`).join(" "), ...look });
  const shapes = {
    o: () => drawn("circle", { cx: x, cy: y, r: size, ...look }),
    s: () => polygon([[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]]),
    D: () => polygon([[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]]),
    "^": () => polygon([[0, -1.2], [1.15, 0.9], [-1.15, 0.9]]),
    v: () => polygon([[0, 1.2], [1.15, -0.9], [-1.15, -0.9]]),
    P: () => polygon([[-0.4, -1.2], [0.4, -1.2], [0.4, -0.4], [1.2, -0.4], [1.2, 0.4], [0.4, 0.4], [0.4, 1.2], [-0.4, 1.2], [-0.4, 0.4], [-1.2, 0.4], [-1.2, -0.4], [-0.4, -0.4]]),
    X: () => polygon([[-1.1, -0.6], [-0.6, -1.1], [0, -0.5], [0.6, -1.1], [1.1, -0.6], [0.5, 0], [1.1, 0.6], [0.6, 1.1], [0, 0.5], [-0.6, 1.1], [-1.1, 0.6], [-0.5, 0]]),
    p: () => polygon([[0, -1.2], [1.15, -0.35], [0.7, 1], [-0.7, 1], [-1.15, -0.35]]),
  };
  return method.marker && shapes[method.marker] ? shapes[method.marker]() : null;
}

function swatch(method) {
  return drawn(
    "svg", { width: 30, height: 12, "aria-hidden": "true" },
    drawn("line", { x1: 1, x2: 29, y1: 6, y2: 6, stroke: colour(method), "stroke-width": 1.6, "stroke-dasharray": method.dash || null }),
    marker(15, 6, method),
  );
}
