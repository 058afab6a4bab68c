// What a text lost on its way: the parts that went, and those that came in their place.

const LONGEST = 1200;

// Returns [kind, text] pieces: "same", "gone" or "come", by the longest common subsequence of characters.
function differences(sent, received) {
  const [one, other] = [[...sent], [...received]];
  let start = 0;
  while (start < one.length && start < other.length && one[start] === other[start]) start += 1;
  let end = 0;
  while (end < one.length - start && end < other.length - start && one[one.length - 1 - end] === other[other.length - 1 - end]) end += 1;
  const middle = changed(one.slice(start, one.length - end), other.slice(start, other.length - end));
  const pieces = [["same", one.slice(0, start).join("")], ...middle, ["same", one.slice(one.length - end).join("")]];
  return pieces.filter(([, text]) => text);
}

function changed(one, other) {
  // A table of all pairs would be too large for long texts that have little in common.
  if (one.length > LONGEST || other.length > LONGEST) return [["gone", one.join("")], ["come", other.join("")]];
  const wide = other.length + 1;
  const common = new Uint16Array((one.length + 1) * wide);
  for (let i = one.length - 1; i >= 0; i -= 1) {
    for (let j = other.length - 1; j >= 0; j -= 1) {
      const equal = one[i] === other[j];
      common[i * wide + j] = equal ? common[(i + 1) * wide + j + 1] + 1 : Math.max(common[(i + 1) * wide + j], common[i * wide + j + 1]);
    }
  }
  const pieces = [];
  const add = (kind, text) => {
    const last = pieces[pieces.length - 1];
    if (last && last[0] === kind) last[1] += text;
    else pieces.push([kind, text]);
  };
  let [i, j] = [0, 0];
  while (i < one.length || j < other.length) {
    if (i < one.length && j < other.length && one[i] === other[j]) {
      add("same", one[i]);
      i += 1;
      j += 1;
    } else if (j >= other.length || (i < one.length && common[(i + 1) * wide + j] >= common[i * wide + j + 1])) {
      add("gone", one[i]);
      i += 1;
    } else {
      add("come", other[j]);
      j += 1;
    }
  }
  return pieces;
}

function textBlock(sample) {
  if (!("text_ok" in sample)) return [];
  const state = sample.text_ok ? "arrived intact" : "damaged";
  const lost = sample.text && sample.text.kept && sample.text.received === null;
  const title = element("h4", {}, `Text: ${lost ? "lost" : state}${sample.scheme ? `, ${sample.scheme}` : ""}`);
  const block = [title];
  if (sample.text && sample.text.kept && sample.text.received !== null && sample.text.received !== sample.text.sent) {
    const pieces = differences(sample.text.sent, sample.text.received).map(([kind, text]) => ({ same: text, gone: element("del", {}, text), come: element("ins", {}, text) })[kind]);
    block.push(element("p", { class: "sent", dir: "auto" }, pieces));
  } else if (sample.text) {
    block.push(element("p", { class: "sent", dir: "auto" }, lost ? element("del", {}, sample.text.sent) : sample.text.sent));
    if (!sample.text.kept) block.push(element("p", { class: "note" }, "What was sent; what arrived was not kept."));
  }
  if (sample.cut) block.push(element("p", { class: "note" }, `The model did not read the end of it: “${sample.cut}”`));
  return block;
}
