// The curves of a metric: a panel a CR over SNR, or a panel an SNR over transmitted symbols, with the values under the pointer.

const ROOM = { left: 46, right: 10, top: 22, bottom: 34 };
const HEIGHT = 260;
const LOG_FROM = 6;

// Ticks at 1, 2 or 5 times a power of ten.
function niceTicks(low, high, count) {
  if (!(high > low)) return [low];
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((each) => each >= rough);
  const ticks = [];
  for (let tick = Math.ceil(low / step - 1e-9) * step; tick <= high + step * 1e-9; tick += step) ticks.push(Number(tick.toPrecision(12)));
  return ticks;
}

function scale(low, high, from, to, log) {
  const map = log ? Math.log : (value) => value;
  const span = map(high) - map(low) || 1;
  return (value) => from + ((map(value) - map(low)) / span) * (to - from);
}

function facets(points) {
  if (chosen.x === "symbols") {
    return data.snrs.map((_, snr) => snr).filter((snr) => chosen.snr === ALL || snr === chosen.snr).map((snr) => ({
      title: decibel(snr),
      points: points.filter((point) => point.snr === snr && point.symbols !== null),
    }));
  }
  const fixed = data.crs.indexOf("fixed");
  const ratios = [...new Set(points.map((point) => point.cr))].filter((cr) => cr !== fixed).sort((one, other) => one - other);
  const shown = ratios.length ? ratios : points.length ? [fixed] : [];
  return shown.map((cr) => ({
    title: cr === fixed ? "fixed rate" : `CR = ${data.crs[cr]}`,
    points: points.filter((point) => point.cr === cr || point.cr === fixed),
  }));
}

function lines(points) {
  const found = new Map();
  for (const point of points) {
    if (point.mean === null) continue;
    if (!found.has(point.method)) found.set(point.method, []);
    found.get(point.method).push(point);
  }
  const at = chosen.x === "symbols" ? (point) => point.symbols : (point) => data.snrs[point.snr];
  return [...found].map(([method, own]) => ({
    method: data.methods[method],
    points: own.map((point) => ({ ...point, x: at(point) })).sort((one, other) => one.x - other.x),
  }));
}

function drawPanel(facet, [low, high], [left, right], log, width) {
  const across = scale(left, right, ROOM.left, width - ROOM.right, log);
  const up = scale(low, high, HEIGHT - ROOM.bottom, ROOM.top, false);
  const metric = data.metrics[chosen.metric];
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", tabindex: 0, "aria-label": `${metric.heading}, ${facet.title}; arrow keys show values` });
  svg.append(drawn("text", { x: ROOM.left, y: 13, "font-weight": 600 }, facet.title));
  const yTicks = niceTicks(low, high, 5);
  const step = yTicks.length > 1 ? yTicks[1] - yTicks[0] : 1;
  const decimals = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
  for (const tick of yTicks) {
    svg.append(drawn("line", { class: "grid", x1: ROOM.left, x2: width - ROOM.right, y1: up(tick), y2: up(tick) }));
    svg.append(drawn("text", { x: ROOM.left - 5, y: up(tick) + 4, "text-anchor": "end" }, tick.toFixed(decimals)));
  }
  const own = lines(facet.points);
  const xs = [...new Set(own.flatMap((line) => line.points.map((point) => point.x)))].sort((one, other) => one - other);
  const logTicks = [1, 2, 5].flatMap((times) => [10, 100, 1e3, 1e4, 1e5, 1e6].map((power) => times * power)).filter((tick) => tick >= left && tick <= right);
  const ticks = chosen.x === "snr" && xs.length <= 9 ? xs : log ? logTicks : niceTicks(left, right, width < 340 ? 3 : 5);
  for (const tick of ticks) {
    svg.append(drawn("text", { x: across(tick), y: HEIGHT - ROOM.bottom + 15, "text-anchor": "middle" }, tick >= 10000 ? `${tick / 1000}k` : String(tick)));
  }
  const label = chosen.x === "symbols" ? "transmitted symbols an image" : "SNR (dB)";
  svg.append(drawn("text", { x: (ROOM.left + width - ROOM.right) / 2, y: HEIGHT - 4, "text-anchor": "middle" }, label));
  for (const { method, points } of own) {
    const banded = points.filter((point) => point.low !== null);
    if (chosen.bands && banded.length > 1) {
      const edge = [...banded.map((point) => [point.x, point.high]), ...banded.reverse().map((point) => [point.x, point.low])];
      svg.append(drawn("polygon", { points: edge.map(([x, y]) => `${across(x)},${up(y)}`).join(" "), fill: colour(method), opacity: 0.12 }));
    } else if (chosen.bands && banded.length === 1 && points.length === 1) {
      const [{ x, low: from, high: to }] = banded;
      svg.append(drawn("line", { x1: across(x), x2: across(x), y1: up(from), y2: up(to), stroke: colour(method) }));
    }
    const path = points.map((point) => `${across(point.x)},${up(point.mean)}`).join(" ");
    svg.append(drawn("polyline", { points: path, fill: "none", stroke: colour(method), "stroke-width": 1.6, "stroke-dasharray": method.dash || null }));
    svg.append(...points.map((point) => marker(across(point.x), up(point.mean), method)).filter(Boolean));
  }
  return withValues(svg, facet, own, xs, across, width);
}

// A line at the nearest measured place, and what every method has there, the best first.
function withValues(svg, facet, own, xs, across, width) {
  const metric = data.metrics[chosen.metric];
  const cross = drawn("line", { class: "cross", y1: ROOM.top, y2: HEIGHT - ROOM.bottom, visibility: "hidden" });
  const tip = element("div", { class: "tip", role: "status", hidden: true });
  const sign = metric.better === "higher" ? -1 : 1;
  let shown = -1;
  svg.append(cross);
  const hide = () => {
    shown = -1;
    tip.hidden = true;
    cross.setAttribute("visibility", "hidden");
  };
  const show = (place) => {
    if (place < 0 || place >= xs.length) return;
    shown = place;
    const x = xs[place];
    cross.setAttribute("x1", across(x));
    cross.setAttribute("x2", across(x));
    cross.setAttribute("visibility", "visible");
    const found = own.flatMap(({ method, points }) => points.filter((point) => point.x === x).map((point) => ({ method, point })));
    found.sort((one, other) => sign * (one.point.mean - other.point.mean));
    const rows = found.map(({ method, point }) => {
      const interval = point.low === null ? "" : `[${number(point.low, metric.decimals)}, ${number(point.high, metric.decimals)}]`;
      return element("tr", {}, element("td", {}, swatch(method)), element("td", { style: "text-align:left" }, isolated(method.short)), element("td", {}, number(point.mean, metric.decimals)), element("td", {}, element("small", {}, interval)));
    });
    const where = chosen.x === "symbols" ? `${grouped(x)} symbols` : `${x} dB`;
    tip.replaceChildren(element("strong", {}, `${facet.title}, ${where}`), element("table", {}, rows));
    tip.hidden = false;
    const onLeft = across(x) > width / 2;
    const share = (across(x) / width) * 100;
    tip.style.left = onLeft ? "auto" : `min(${share}% + 8px, 100% - ${tip.offsetWidth}px)`;
    tip.style.right = onLeft ? `min(${100 - share}% + 8px, 100% - ${tip.offsetWidth}px)` : "auto";
  };
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * width;
    if (!xs.length) return;
    show(xs.reduce((best, each, place) => (Math.abs(across(each) - x) < Math.abs(across(xs[best]) - x) ? place : best), 0));
  });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: shown + 1, ArrowLeft: shown < 0 ? xs.length - 1 : shown - 1 };
    if (event.key in steps) {
      event.preventDefault();
      show(Math.min(Math.max(steps[event.key], 0), xs.length - 1));
    } else if (event.key === "Escape") hide();
  });
  return element("div", { class: "panel" }, svg, tip);
}

function drawCurves() {
  const place = document.getElementById("curves");
  const panels = facets(shownPoints()).filter((facet) => facet.points.some((point) => point.mean !== null));
  const every = panels.flatMap((facet) => lines(facet.points)).flatMap((line) => line.points);
  if (!every.length) {
    place.replaceChildren(element("p", { class: "note" }, "No curve: nothing that is chosen has a value."));
    return;
  }
  const ends = (values, margin) => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const room = (high - low || Math.abs(high) || 1) * margin;
    return [low - room, high + room];
  };
  const ys = every.flatMap((point) => (chosen.bands && point.low !== null ? [point.low, point.high, point.mean] : [point.mean]));
  const xs = every.map((point) => point.x);
  const log = chosen.x === "symbols" && Math.min(...xs) > 0 && Math.max(...xs) > LOG_FROM * Math.min(...xs);
  const width = Math.max(300, Math.min(560, place.clientWidth / Math.min(panels.length, place.clientWidth > 800 ? 2 : 1) - 16));
  const sides = log ? [Math.min(...xs) / 1.15, Math.max(...xs) * 1.15] : ends(xs, 0.05);
  const title = `${data.metrics[chosen.metric].heading} over ${chosen.x === "symbols" ? "transmitted symbols" : "SNR"}`;
  place.replaceChildren(
    element("h3", {}, title),
    element("div", { class: "panels" }, panels.map((facet) => drawPanel(facet, ends(ys, 0.05), sides, log, width))),
    element("p", { class: "note" }, "Values appear under the pointer, or with the arrow keys on a panel; fixed rates stand in every panel."),
  );
}
