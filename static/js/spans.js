// Marks on the answer: select words in the judged message, then press a label's key or button. Kept in a hidden field as
// [{start, end, label, note}], counted in characters (code points) of the answer's text as it was recorded. They are drawn on the
// answer as it is shown, and so are the marks of others: [data-marks] has theirs, as [{start, end, name, hue, by}].
const form = () => document.querySelector("[data-rubric]");
const field = () => form()?.querySelector("[name=spans]");
const labels = () => JSON.parse(form()?.querySelector("[data-spans]")?.dataset.labels ?? "[]");
// As JSON in an attribute, since HTML would change its line ends and drop NUL.
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

// Where the selection stands in the recorded text. The page may show Markdown rendered, so the words selected are looked
// up: the occurrence nearest to where they stand in the drawn message is meant.
function selected() {
  const selection = getSelection();
  if (!selection?.rangeCount || selection.isCollapsed) return null;
  const message = selection.anchorNode.parentElement?.closest("[data-judged]");
  if (!message || !message.contains(selection.focusNode)) return null;
  const text = answer();
  const whole = inked(text);
  const words = inked(selection.toString()).ink;
  if (!words) return null;
  const before = document.createRange();
  before.selectNodeContents(message.querySelector(".message-body") ?? message);
  before.setEnd(selection.getRangeAt(0).startContainer, selection.getRangeAt(0).startOffset);
  const drawn = inked(before.toString()).ink.length;
  const best = nearest(whole.ink, words, drawn);
  if (best < 0) return null;
  const start = whole.places[best];
  const end = whole.places[best + words.length - 1] + 1;
  return { start: points(text.slice(0, start)), end: points(text.slice(0, end)) };
}

// The shown answer's ink, and where each of its characters stands: [text node, offset].
function drawnInk(body) {
  const walk = document.createTreeWalker(body, NodeFilter.SHOW_TEXT);
  const places = [];
  let ink = "";
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const one = inked(node.data);
    ink += one.ink;
    places.push(...one.places.map((at) => [node, at]));
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

// Draws one mark around the words it is on. What the page shows in another form than words, such as a JSON tree, gets none.
function highlight(body, text, { start, end, name, hue, by }) {
  const words = inked(text.slice(start, end).join("")).ink;
  const drawn = drawnInk(body);
  const from = words ? nearest(drawn.ink, words, inked(text.slice(0, start).join("")).ink.length) : -1;
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
    last.className = `span ${hue ?? ""}`;
    last.dataset.mark = "";
    last.title = by ? `${name}, ${by}` : name;
    range.surroundContents(last);
  }
  last.dataset.name = name;
}

let highlighted = "";
function highlightAll() {
  const body = document.querySelector("[data-judged] .message-body");
  if (!body) return;
  const named = Object.fromEntries(labels().map((label) => [label.key, label]));
  const own = read().map((span) => ({ ...span, name: named[span.label]?.label ?? span.label, hue: named[span.label]?.hue }));
  const others = [...document.querySelectorAll("[data-marks]")].flatMap((one) => JSON.parse(one.dataset.marks));
  const wanted = JSON.stringify([...others, ...own]);
  // Nothing moves under a selection for nothing.
  if (wanted === highlighted && body.hasAttribute("data-highlighted")) return;
  highlighted = wanted;
  body.setAttribute("data-highlighted", "");
  body.querySelectorAll("mark[data-mark]").forEach((mark) => mark.replaceWith(...mark.childNodes));
  body.normalize();
  const text = [...answer()];
  [...others, ...own].forEach((one) => highlight(body, text, one));
}

function read() {
  try {
    return JSON.parse(field()?.value || "[]");
  } catch {
    return [];
  }
}

function write(spans) {
  field().value = JSON.stringify(spans);
  field().dispatchEvent(new Event("input", { bubbles: true }));
  draw();
}

function draw() {
  highlightAll();
  const list = form()?.querySelector("[data-span-list]");
  if (!list) return;
  const text = [...answer()];
  const named = Object.fromEntries(labels().map((label) => [label.key, label]));
  list.replaceChildren(
    ...read().map((span, index) => {
      const item = document.createElement("li");
      const mark = document.createElement("mark");
      mark.className = `span ${named[span.label]?.hue ?? ""}`;
      mark.dir = "auto";
      mark.textContent = text.slice(span.start, span.end).join("");
      const name = document.createElement("span");
      name.className = "span-label";
      name.textContent = named[span.label]?.label ?? span.label;
      mark.append(name);
      const remove = document.createElement("button");
      remove.type = "button";
      remove.className = "icon-button";
      remove.textContent = "×";
      remove.setAttribute("aria-label", `${name.textContent}: ×`);
      remove.addEventListener("click", () => write(read().filter((_, at) => at !== index)));
      item.append(mark, remove);
      return item;
    }),
  );
}

document.addEventListener("selectionchange", () => (kept = selected() ?? kept));
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-span-label]");
  if (!button || !form()) return;
  const span = selected() ?? kept;
  if (!span) {
    document.dispatchEvent(new CustomEvent("announce", { detail: { message: button.closest("[data-spans]").querySelector(".field-optional").textContent } }));
    return;
  }
  write([...read(), { ...span, label: button.dataset.spanLabel, note: "" }].sort((a, b) => a.start - b.start));
  kept = null;
  getSelection().removeAllRanges();
});

// A correction counts only when its fold is open.
document.addEventListener(
  "toggle",
  (event) => {
    const fold = event.target.closest?.("[data-correction]");
    if (fold) fold.querySelector("[name=correct]").disabled = !fold.open;
  },
  true,
);

document.addEventListener("htmx:after:swap", draw);
document.addEventListener("answer-drawn", draw);
draw();
