// The table of one metric: methods by SNR, to be filtered and sorted.

const MARKS = ["", "tie", "best"];

function tableRows(points, snrs) {
  const rows = new Map();
  for (const point of points) {
    const key = `${point.cr}/${point.method}`;
    if (!rows.has(key)) rows.set(key, { cr: point.cr, method: point.method, cells: new Map() });
    rows.get(key).cells.set(point.snr, point);
  }
  const found = [...rows.values()].map((row) => {
    const cells = snrs.map((snr) => row.cells.get(snr) || null);
    const symbols = cells.filter((cell) => cell && cell.symbols !== null).map((cell) => cell.symbols);
    return { ...row, cells, low: symbols.length ? Math.min(...symbols) : null, high: symbols.length ? Math.max(...symbols) : null };
  });
  return found.sort((one, other) => one.cr - other.cr || one.method - other.method);
}

function sortedRows(rows) {
  const keys = {
    cr: (row) => row.cr,
    method: (row) => data.methods[row.method].name,
    symbols: (row) => row.low,
  };
  const key = keys[chosen.sort] || ((row) => (row.cells[chosen.sort] ? row.cells[chosen.sort].mean : null));
  const sign = chosen.descending ? -1 : 1;
  return [...rows].sort((one, other) => {
    const [a, b] = [key(one), key(other)];
    // What has no value stands last, whichever way the rest goes.
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (typeof a === "string" ? a.localeCompare(b, "en") : a - b);
  });
}

function heading(label, key) {
  const active = chosen.sort === key;
  const direction = chosen.descending ? "descending" : "ascending";
  const better = data.metrics[chosen.metric].better === "higher" && typeof key === "number";
  const sort = () => {
    chosen.descending = active ? !chosen.descending : better;
    chosen.sort = key;
    drawTable();
    document.querySelector(`#table th[data-key="${key}"] button`).focus();
  };
  return element(
    "th", { scope: "col", "aria-sort": active ? direction : "none", "data-key": key },
    element("button", { type: "button", title: `Sort by ${label}`, onclick: sort }, label),
  );
}

function valueCell(cell, decimals) {
  if (!cell) return element("td", {}, "–");
  const value = cell.mean === null && cell.failed ? "" : number(cell.mean, decimals);
  const mark = MARKS[cell.mark];
  const said = { best: "significantly better than every other row of its CR", tie: "not distinguishable from the best" }[mark];
  const shown = element(mark === "best" ? "strong" : "span", { class: mark || null, title: said || `n = ${cell.n}` }, value);
  const interval = cell.low === null ? null : element("small", {}, `[${number(cell.low, decimals)}, ${number(cell.high, decimals)}]`);
  return element("td", {}, shown, interval, cell.failed ? element("span", { class: "failed" }, ` failed (${cell.failed})`) : null);
}

// A bar for each SNR, all rows on one scale, so that a glance compares.
function sparkline(cells, low, high) {
  const [width, height, gap] = [12, 22, 2];
  const share = (cell) => (cell && cell.mean !== null ? 0.08 + (high > low ? (0.92 * (cell.mean - low)) / (high - low) : 0.92) : 0);
  if (cells.length === 1) {
    return drawn("svg", { class: "spark", width: 70, height: 10, "aria-hidden": "true" }, drawn("rect", { width: 70 * share(cells[0]), height: 10 }));
  }
  const bars = cells.map((cell, place) => {
    const tall = height * share(cell);
    return drawn("rect", { x: place * (width + gap), y: height - tall, width, height: tall });
  });
  return drawn("svg", { class: "spark", width: cells.length * (width + gap), height, "aria-hidden": "true" }, bars);
}

function drawTable() {
  const metric = data.metrics[chosen.metric];
  const points = shownPoints();
  const there = data.snrs.map((_, place) => place).filter((place) => points.some((point) => point.snr === place));
  const snrs = chosen.snr === ALL ? there : there.filter((place) => place === chosen.snr);
  const rows = chosen.sort === null ? tableRows(points, snrs) : sortedRows(tableRows(points, snrs));
  const means = rows.flatMap((row) => row.cells).filter((cell) => cell && cell.mean !== null).map((cell) => cell.mean);
  const [low, high] = [Math.min(...means), Math.max(...means)];
  const head = element(
    "tr", {}, heading("CR", "cr"), heading("Method", "method"), heading("Symbols", "symbols"),
    snrs.map((snr, place) => heading(decibel(snr), place)), element("th", { scope: "col" }, "Bars"),
  );
  const body = rows.map((row, place) => {
    const symbols = row.low === null ? "–" : row.high - row.low < 1 ? grouped(row.low) : `${grouped(row.low)} to ${grouped(row.high)}`;
    const first = chosen.sort === null && (place === 0 || rows[place - 1].cr !== row.cr);
    return element(
      "tr", { class: first ? "first" : null }, element("td", {}, data.crs[row.cr]),
      element("th", { scope: "row" }, isolated(data.methods[row.method].name)), element("td", {}, symbols),
      row.cells.map((cell) => valueCell(cell, metric.decimals)), element("td", {}, sparkline(row.cells, low, high)),
    );
  });
  const title = `${metric.heading} on ${data.datasets[chosen.dataset]}, ${data.channels[chosen.channel]}`;
  const counts = points.map((point) => point.n).filter((n) => n > 0);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  const note = counts.length ? `n = ${least === most ? least : `${least} to ${most}`} images a cell; ${rows.length} rows.` : "No row.";
  document.getElementById("table").replaceChildren(
    element("h3", {}, isolated(title)),
    element("div", { class: "scroll", role: "region", "aria-label": title, tabindex: 0 }, element("table", { class: "metric" }, element("thead", {}, head), element("tbody", {}, body))),
    element("p", { class: "note", "aria-live": "polite" }, note),
  );
}

function drawControls() {
  const places = (names, text = (name) => name) => names.map((name, place) => [place, text(name)]);
  const change = (name) => (value) => {
    chosen[name] = value;
    if (["dataset", "channel", "metric", "cr", "snr"].includes(name)) chosen.sort = typeof chosen.sort === "number" ? null : chosen.sort;
    drawTable();
    drawCurves();
  };
  const search = element("input", { type: "search", placeholder: "name contains …", oninput: () => change("words")(search.value) });
  const boxes = data.methods.map((method, place) => {
    const box = element("input", {
      type: "checkbox",
      checked: true,
      onchange: () => {
        chosen.hidden[box.checked ? "delete" : "add"](place);
        drawTable();
        drawCurves();
      },
    });
    return element("label", { title: method.id }, box, swatch(method), isolated(method.name));
  });
  const all = (checked) => () => {
    boxes.forEach((label, place) => {
      label.querySelector("input").checked = checked;
      chosen.hidden[checked ? "delete" : "add"](place);
    });
    drawTable();
    drawCurves();
  };
  const bands = element("input", { type: "checkbox", checked: true, onchange: () => change("bands")(bands.checked) });
  document.getElementById("controls").replaceChildren(
    selection("Metric", places(data.metrics, (metric) => metric.heading), chosen.metric, change("metric")),
    selection("Data set", places(data.datasets), chosen.dataset, change("dataset")),
    selection("Channel", places(data.channels), chosen.channel, change("channel")),
    selection("CR", [[ALL, "all"], ...places(data.crs)], ALL, change("cr")),
    selection("SNR", [[ALL, "all"], ...places(data.snrs, (snr) => `${snr} dB`)], ALL, change("snr")),
    selection("Curves over", [["snr", "SNR"], ["symbols", "transmitted symbols"]], "snr", change("x")),
    element("label", { class: "check" }, bands, "95 % intervals"),
    element("label", {}, "Search", search),
    element(
      "fieldset", {}, element("legend", {}, "Methods"),
      element("div", { class: "methods" }, boxes, ["all", "none"].map((text) => element("button", { type: "button", class: "button small", onclick: all(text === "all") }, text))),
    ),
  );
}
