// The image explorer: an image, a cell and two methods, wiped, side by side, as their difference or under a map.

const explored = data.explorer;
const ORIGINAL = -1;
const VIEWS = [["wipe", "Wipe"], ["pair", "Side by side"], ["difference", "Difference"], ["map", "Map"]];
const SYMBOLS = ["analogue symbols", "digital symbols", "pilot symbols", "all symbols"];
const RAMP = [[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]];
const look = { image: 0, cell: 0, cr: 0, first: ORIGINAL, second: ORIGINAL, view: "wipe", metric: 0, map: 0, level: { wipe: 50, difference: 4, map: 50 }, pick: "" };

const sampleKey = (image, method, cr, channel, snr) => [image, method, cr, channel, snr].join("/");
const samples = new Map(explored.samples.map((sample) => [sampleKey(sample.image, sample.method, sample.cr, sample.channel, sample.snr), sample]));
const cells = [...new Map(explored.samples.map((sample) => [`${sample.channel}/${sample.snr}`, [sample.channel, sample.snr]])).values()].sort((one, other) => one[0] - other[0] || one[1] - other[1]);
const fixedRate = data.crs.indexOf("fixed");
const ratios = [...new Set(explored.samples.map((sample) => sample.cr))].filter((cr) => cr !== fixedRate).sort((one, other) => one - other);
if (!ratios.length) ratios.push(fixedRate);

function sampleOf(method, image = look.image) {
  const [channel, snr] = cells[look.cell];
  // A method of a fixed rate is there at every CR.
  return samples.get(sampleKey(image, method, ratios[look.cr], channel, snr)) || samples.get(sampleKey(image, method, fixedRate, channel, snr)) || null;
}

const methodsThere = () => data.methods.map((_, place) => place).filter((method) => explored.images.some((_, image) => sampleOf(method, image)));
const nameOf = (method) => (method === ORIGINAL ? "Original" : data.methods[method].name);
const pictureOf = (method) => {
  if (method === ORIGINAL) return explored.pictures[explored.images[look.image].src];
  const sample = sampleOf(method);
  return sample && sample.src !== null ? explored.pictures[sample.src] : null;
};

function picture(method, attributes = {}) {
  const source = pictureOf(method);
  return source ? element("img", { src: source, alt: `${nameOf(method)}, image ${explored.images[look.image].id}`, draggable: "false", ...attributes }) : element("p", { class: "note" }, "Not kept in this cell.");
}

function frame(method, ...over) {
  return element("figure", { class: "frame" }, picture(method), over, element("figcaption", {}, isolated(nameOf(method))));
}

function wiped() {
  const [below, above] = [picture(look.first), picture(look.second, { class: "over" })];
  const handle = element("div", { class: "handle" });
  const place = element("div", { class: "frame wipe" }, below, above, handle);
  const move = (value) => {
    look.level.wipe = value;
    above.style.clipPath = `inset(0 0 0 ${value}%)`;
    handle.style.left = `${value}%`;
  };
  const slider = range("Left of the line the first, right of it the second", "wipe", 0, 100, 1, move);
  const follow = (event) => {
    const box = place.getBoundingClientRect();
    slider.value = Math.min(100, Math.max(0, ((event.clientX - box.left) / box.width) * 100));
    move(Number(slider.value));
  };
  place.addEventListener("pointerdown", (event) => {
    place.setPointerCapture(event.pointerId);
    follow(event);
  });
  place.addEventListener("pointermove", (event) => event.buttons && follow(event));
  move(look.level.wipe);
  return [place, element("div", { class: "names" }, isolated(nameOf(look.first)), isolated(nameOf(look.second))), slider];
}

function range(label, name, min, max, step, move) {
  const slider = element("input", { type: "range", min, max, step, value: look.level[name], "aria-label": label, title: label, id: `level-${name}`, oninput: () => move(Number(slider.value)) });
  return slider;
}

const decoded = (source) =>
  new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = reject;
    image.src = source;
  });

function pixels(image, width, height) {
  const canvas = element("canvas", { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0, width, height);
  return context.getImageData(0, 0, width, height).data;
}

function ramp(share) {
  const at = Math.min(1, share) * (RAMP.length - 1);
  const below = Math.min(RAMP.length - 2, Math.floor(at));
  return RAMP[below].map((value, channel) => value + (at - below) * (RAMP[below + 1][channel] - value));
}

function difference() {
  const canvas = element("canvas", { role: "img", "aria-label": `Difference of ${nameOf(look.first)} and ${nameOf(look.second)}` });
  const place = element("div", { class: "frame" }, canvas);
  const said = element("div", { class: "names" });
  const sources = [pictureOf(look.first), pictureOf(look.second)];
  const slider = range("Gain of the difference", "difference", 1, 16, 1, (value) => {
    look.level.difference = value;
    paint();
  });
  let both = null;
  const paint = () => {
    if (!both) return;
    const [one, other, width, height] = both;
    const shown = new ImageData(width, height);
    let sum = 0;
    for (let at = 0; at < one.length; at += 4) {
      const apart = (Math.abs(one[at] - other[at]) + Math.abs(one[at + 1] - other[at + 1]) + Math.abs(one[at + 2] - other[at + 2])) / 3;
      sum += apart;
      shown.data.set([...ramp((apart / 255) * look.level.difference), 255], at);
    }
    canvas.getContext("2d").putImageData(shown, 0, 0);
    said.replaceChildren(`mean difference ${((4 * sum) / one.length).toFixed(2)} of 255`, element("span", {}, `shown ${look.level.difference} times as large`));
  };
  if (sources.every(Boolean)) {
    Promise.all(sources.map(decoded)).then(([one, other]) => {
      [canvas.width, canvas.height] = [one.naturalWidth, one.naturalHeight];
      both = [pixels(one, canvas.width, canvas.height), pixels(other, canvas.width, canvas.height), canvas.width, canvas.height];
      paint();
    });
  } else place.replaceChildren(element("p", { class: "note" }, "One of the two was not kept in this cell."));
  return [place, said, slider];
}

function mapsThere() {
  const cr = ratios[look.cr];
  return explored.maps.filter((map) => map.image === look.image && (map.cr === cr || map.cr === fixedRate));
}

function mapped() {
  const there = mapsThere();
  if (!there.length) return [element("p", { class: "note" }, "No sender of this image has told what it saw.")];
  const map = there[Math.min(look.map, there.length - 1)];
  const over = element("img", { class: "over", src: explored.pictures[map.src], alt: `Map ${map.name} of ${nameOf(map.method)}` });
  const slider = range("Strength of the map", "map", 0, 100, 5, (value) => {
    look.level.map = value;
    over.style.opacity = value / 100;
  });
  over.style.opacity = look.level.map / 100;
  const options = there.map((each, place) => [place, `${nameOf(each.method)}: ${each.name}`]);
  const list = selection("Map", options, there.indexOf(map), (place) => {
    look.map = place;
    drawExplorer();
  });
  return [element("div", { class: "controls" }, list), element("div", { class: "frame" }, picture(look.first), over), element("div", { class: "names" }, isolated(nameOf(look.first))), slider];
}

function staged() {
  const drawings = { wipe: wiped, pair: () => [element("div", { class: "stage pair" }, frame(look.first), frame(look.second))], difference, map: mapped };
  return element("div", { class: "stage" }, drawings[look.view]());
}

function valuesTable() {
  const pair = [look.first, look.second].map((method) => (method === ORIGINAL ? null : sampleOf(method)));
  const rows = data.metrics.map((metric, place) => {
    const values = pair.map((sample) => (sample && sample.values[place] !== null ? sample.values[place] : null));
    const both = values.every((value) => value !== null) && values[0] !== values[1];
    const firstWins = metric.better === "higher" ? values[0] > values[1] : values[0] < values[1];
    const shown = values.map((value, side) => element("td", {}, element(both && firstWins === (side === 0) ? "strong" : "span", {}, number(value, metric.decimals))));
    return element("tr", {}, element("th", { scope: "row" }, metric.heading), shown);
  });
  const spent = SYMBOLS.map((name, place) => element("tr", {}, element("th", { scope: "row" }, name), pair.map((sample) => element("td", {}, sample ? grouped(sample.symbols[place]) : "–"))));
  const names = [look.first, look.second].map((method) => element("th", { scope: "col" }, isolated(method === ORIGINAL ? "Original" : data.methods[method].short)));
  const table = element("table", {}, element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "of this image"), names)), element("tbody", {}, rows, spent));
  const errors = pair.filter((sample) => sample && sample.error).map((sample) => element("p", { class: "failed" }, `${nameOf(sample.method)}: ${sample.error}`));
  const texts = pair.filter(Boolean).map((sample) => {
    const block = textBlock(sample);
    return block.length ? [element("h3", {}, isolated(nameOf(sample.method))), block] : [];
  });
  const image = explored.images[look.image];
  const caption = image.caption ? [element("h3", {}, "Caption that texts are compared with"), element("p", { class: "sent", dir: "auto" }, image.caption)] : [];
  return element("div", {}, element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Values of this image" }, table), errors, texts, caption);
}

// The image in which a method has its best or worst value of a metric, among those of the page.
function extreme(method, best) {
  const metric = data.metrics[look.metric];
  const sign = (metric.better === "higher") === best ? 1 : -1;
  const found = explored.images
    .map((_, image) => ({ image, sample: sampleOf(method, image) }))
    .filter(({ sample }) => sample && sample.values[look.metric] !== null)
    .sort((one, other) => sign * (other.sample.values[look.metric] - one.sample.values[look.metric]));
  if (!found.length) return;
  look.image = found[0].image;
  const value = number(found[0].sample.values[look.metric], metric.decimals);
  look.pick = `${best ? "Best" : "Worst"} of the ${found.length} images here for ${nameOf(method)}: ${metric.title} ${value}.`;
  drawExplorer();
}

function go(change) {
  Object.assign(look, { pick: "" }, change);
  const there = methodsThere();
  for (const side of ["first", "second"]) if (look[side] !== ORIGINAL && !there.includes(look[side])) look[side] = there[0] ?? ORIGINAL;
  drawExplorer();
}

const step = (by) => go({ image: (look.image + by + explored.images.length) % explored.images.length });
const subject = () => (look.second === ORIGINAL ? look.first : look.second);

function chooser() {
  const methods = [[ORIGINAL, "Original"], ...methodsThere().map((method) => [method, nameOf(method)])];
  const button = (text, onclick, pressed = null) => element("button", { type: "button", class: "button", "aria-pressed": pressed, onclick }, text);
  const finds = subject() === ORIGINAL ? [] : [
    selection("Find images by", data.metrics.map((metric, place) => [place, metric.title]), look.metric, (metric) => go({ metric })),
    button("Best", () => extreme(subject(), true)),
    button("Worst", () => extreme(subject(), false)),
  ];
  return element(
    "div", { class: "controls" },
    selection("Cell", cells.map(([channel, snr], place) => [place, `${data.channels[channel]}, ${decibel(snr)}`]), look.cell, (cell) => go({ cell })),
    selection("CR", ratios.map((cr, place) => [place, data.crs[cr]]), look.cr, (cr) => go({ cr })),
    selection("First", methods, look.first, (first) => go({ first })),
    selection("Second", methods, look.second, (second) => go({ second })),
    button("⇄ swap", () => go({ first: look.second, second: look.first })),
    VIEWS.map(([view, text]) => button(text, () => go({ view }), String(look.view === view))),
    finds,
  );
}

function drawExplorer() {
  const place = document.getElementById("explorer");
  const focused = document.activeElement && place.contains(document.activeElement) ? [...place.querySelectorAll("button, select, input")].indexOf(document.activeElement) : -1;
  const image = explored.images[look.image];
  const strip = element("div", { class: "strip", role: "group", "aria-label": "Images" }, explored.images.map((each, index) =>
    element("button", { type: "button", "aria-pressed": String(index === look.image), title: each.id, onclick: () => go({ image: index }) }, element("img", { src: explored.pictures[each.src], alt: each.id }))));
  const scrolled = place.querySelector(".strip") ? place.querySelector(".strip").scrollLeft : 0;
  const quality = explored.lossless ? "without loss" : `at quality ${explored.quality}`;
  const left = explored.left_out ? ` ${explored.left_out} kept images did not fit the page.` : "";
  place.replaceChildren(
    strip, chooser(),
    element("p", { class: "note", "aria-live": "polite" }, isolated(`${image.id}${data.datasets.length > 1 ? ` of ${image.dataset}` : ""}, ${look.image + 1} of ${explored.images.length}. `), look.pick),
    element("div", { class: look.view === "pair" ? "explore wide crisp" : "explore crisp" }, staged(), valuesTable()),
    element("p", { class: "note hint" }, `Keys: N and P next and previous image, 1 to 4 the view, X swaps, B and W best and worst image. Images are WebP ${quality}, ${explored.pixels} pixels at most; the whole ones lie in samples/.${left}`),
  );
  place.querySelector(".strip").scrollLeft = scrolled;
  if (focused >= 0) [...place.querySelectorAll("button, select, input")][focused]?.focus({ preventScroll: true });
}

function startExplorer() {
  const there = methodsThere();
  look.second = there[0] ?? ORIGINAL;
  document.getElementById("images").hidden = false;
  document.addEventListener("keydown", (event) => {
    const elsewhere = event.target.closest("select, input[type='search'], input[type='checkbox']") || event.ctrlKey || event.metaKey || event.altKey;
    const inside = document.getElementById("images").contains(event.target) || event.target === document.body;
    if (elsewhere || !inside) return;
    const keys = { n: () => step(1), p: () => step(-1), x: () => go({ first: look.second, second: look.first }), b: () => extreme(subject(), true), w: () => extreme(subject(), false) };
    VIEWS.forEach(([view], place) => (keys[String(place + 1)] = () => go({ view })));
    const act = keys[event.key.toLowerCase()];
    if (act) {
      event.preventDefault();
      act();
    }
  });
  drawExplorer();
}
