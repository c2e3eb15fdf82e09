// Where words stand. Marks are drawn on the answer and the messages as they are shown: every [data-marks] on the page holds
// some, as [{name, hue, by, thread, and where: start and end in the answer's recorded text, or place, words and near}]. Who wants
// to know what is selected sends `words-asked`, and finds it in the event's detail as `found`.
// #answer-text has the answer as JSON in an attribute, since HTML would change its line ends and drop NUL.
const answer = () => JSON.parse(document.getElementById("answer-text")?.dataset.text ?? '""');
const points = (text) => [...text].length;
let kept = null;

// What may differ between the words as drawn and as recorded: space and line ends (the browser makes LF of CR LF, and
// paragraphs of empty lines) and the signs of Markdown. They are left out of both; `places` says where the rest stands.
const INK = /[^\s*_`~#>|\\-]/;
function inked(text) {
  const places = [];
  let ink = "";
  for (let at = 0; at < text.length; at++) {
    if (!INK.test(text[at])) continue;
    ink += text[at];
    places.push(at);
  }
  return { ink, places };
}

// The shown text's ink, and where each of its characters stands: [text node, offset].
function drawnInk(bodies) {
  const places = [];
  let ink = "";
  for (const body of bodies) {
    const walk = document.createTreeWalker(body, NodeFilter.SHOW_TEXT);
    for (let node = walk.nextNode(); node; node = walk.nextNode()) {
      const one = inked(node.data);
      ink += one.ink;
      places.push(...one.places.map((at) => [node, at]));
    }
  }
  return { ink, places };
}

const nearest = (ink, words, to) => {
  let best = -1;
  for (let at = ink.indexOf(words); at >= 0; at = ink.indexOf(words, at + 1)) {
    if (best < 0 || Math.abs(at - to) < Math.abs(best - to)) best = at;
  }
  return best;
};

// The page may show Markdown rendered, so the words selected are looked up: the occurrence nearest to where they stand in the
// drawn message is meant. Of the answer that is done here, of messages by the server, which has their text.
function selected() {
  const selection = getSelection();
  if (!selection?.rangeCount || selection.isCollapsed) return null;
  const message = selection.anchorNode.parentElement?.closest("[data-judged], [data-place]");
  if (!message || !message.contains(selection.focusNode)) return null;
  const shown = selection.toString();
  const words = inked(shown).ink;
  if (!words) return null;
  const before = document.createRange();
  before.selectNodeContents(message.querySelector(".message-body") ?? message);
  before.setEnd(selection.getRangeAt(0).startContainer, selection.getRangeAt(0).startOffset);
  const ink = inked(before.toString()).ink;
  const found = { place: message.dataset.place ?? "answer", words: shown, near: points(ink) };
  if (found.place !== "answer") return found;
  const text = answer();
  const whole = inked(text);
  const best = nearest(whole.ink, words, ink.length);
  if (best < 0) return null;
  const end = whole.places[best + words.length - 1] + 1;
  return { ...found, start: points(text.slice(0, whole.places[best])), end: points(text.slice(0, end)) };
}

const bodiesOf = (place) => {
  const message = document.querySelector(place === "answer" ? "[data-judged]" : `[data-place="${CSS.escape(place)}"]`);
  return message ? [...message.querySelectorAll(".message-body")].slice(0, place === "answer" ? 1 : undefined) : [];
};

// Draws one mark around the words it is on. What the page shows in another form than words, such as a JSON tree, gets none.
function highlight(mark, text) {
  const recorded = mark.start === undefined ? mark.words : text.slice(mark.start, mark.end).join("");
  const near = mark.start === undefined ? mark.near : inked(text.slice(0, mark.start).join("")).ink.length;
  const words = inked(recorded).ink;
  const drawn = drawnInk(bodiesOf(mark.place ?? "answer"));
  const from = words ? nearest(drawn.ink, words, near) : -1;
  if (from < 0) return;
  const stretches = new Map();
  for (const [node, at] of drawn.places.slice(from, from + words.length)) {
    stretches.set(node, [stretches.get(node)?.[0] ?? at, at + 1]);
  }
  let last;
  for (const [node, [first, beyond]] of stretches) {
    const range = document.createRange();
    range.setStart(node, first);
    range.setEnd(node, beyond);
    last = document.createElement("mark");
    last.className = `span ${mark.hue ?? ""} ${mark.thread ? "is-discussed" : ""}`;
    last.dataset.mark = "";
    if (mark.thread) last.dataset.thread = mark.thread;
    last.title = mark.by ? `${mark.name}, ${mark.by}` : mark.name;
    range.surroundContents(last);
  }
  last.dataset.name = mark.name;
}

let drawn = "[]";
function draw() {
  const wanted = [...document.querySelectorAll("[data-marks]")].flatMap((one) => JSON.parse(one.dataset.marks));
  const bodies = [...new Set(["answer", ...wanted.map((mark) => mark.place ?? "answer")].flatMap(bodiesOf))];
  const written = JSON.stringify(wanted);
  // Nothing moves under a selection for nothing.
  if (written === drawn && bodies.every((body) => !wanted.length || body.hasAttribute("data-highlighted"))) return;
  drawn = written;
  document.querySelectorAll("mark[data-mark]").forEach((mark) => mark.replaceWith(...mark.childNodes));
  bodies.forEach((body) => {
    body.setAttribute("data-highlighted", "");
    body.normalize();
  });
  const text = [...answer()];
  wanted.forEach((mark) => highlight(mark, text));
}

document.addEventListener("selectionchange", () => (kept = selected() ?? kept));
document.addEventListener("words-asked", ({ detail }) => (detail.found = selected() ?? kept));
document.addEventListener("words-taken", () => {
  kept = null;
  getSelection().removeAllRanges();
});
document.addEventListener("marks-draw", draw);
document.addEventListener("htmx:after:swap", draw);
draw();
