// Marks on the answer: select words in the judged message, then press a label's key or button. Kept in a hidden field as
// [{start, end, label, note}], counted in characters (code points) of the answer's text as it was recorded.
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
  let best = -1;
  for (let at = whole.ink.indexOf(words); at >= 0; at = whole.ink.indexOf(words, at + 1)) {
    if (best < 0 || Math.abs(at - drawn) < Math.abs(best - drawn)) best = at;
  }
  if (best < 0) return null;
  const start = whole.places[best];
  const end = whole.places[best + words.length - 1] + 1;
  return { start: points(text.slice(0, start)), end: points(text.slice(0, end)) };
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
  const list = form()?.querySelector("[data-span-list]");
  if (!list) return;
  const text = [...answer()];
  const names = Object.fromEntries(labels().map((label) => [label.key, label.label]));
  list.replaceChildren(
    ...read().map((span, index) => {
      const item = document.createElement("li");
      const mark = document.createElement("mark");
      mark.className = "span";
      mark.dir = "auto";
      mark.textContent = text.slice(span.start, span.end).join("");
      const name = document.createElement("span");
      name.className = "span-label";
      name.textContent = names[span.label] ?? span.label;
      mark.append(name);
      const remove = document.createElement("button");
      remove.type = "button";
      remove.className = "icon-button";
      remove.textContent = "×";
      remove.setAttribute("aria-label", `${names[span.label] ?? span.label}: ×`);
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
