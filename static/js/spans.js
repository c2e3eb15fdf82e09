// Marks by labels: select words in the judged message (marks.js knows where they stand), then press a label's key or button.
// Kept in a hidden field as [{start, end, label, note}], counted in characters (code points) of the answer as it was recorded.
const form = () => document.querySelector("[data-rubric]");
const field = () => form()?.querySelector("[name=spans]");
const place = () => form()?.querySelector("[data-spans]");
const labels = () => JSON.parse(place()?.dataset.labels ?? "[]");
const answer = () => JSON.parse(document.getElementById("answer-text")?.dataset.text ?? '""');

function words() {
  const detail = {};
  document.dispatchEvent(new CustomEvent("words-asked", { detail }));
  return detail.found?.start === undefined ? null : detail.found;
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
  const named = Object.fromEntries(labels().map((label) => [label.key, label]));
  if (place()) {
    const own = read().map(({ start, end, label }) => ({ start, end, name: named[label]?.label ?? label, hue: named[label]?.hue }));
    place().dataset.marks = JSON.stringify(own);
  }
  document.dispatchEvent(new CustomEvent("marks-draw"));
  const list = form()?.querySelector("[data-span-list]");
  if (!list) return;
  const text = [...answer()];
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

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-span-label]");
  if (!button || !form()) return;
  const span = words();
  if (!span) {
    document.dispatchEvent(new CustomEvent("announce", { detail: { message: place().querySelector(".field-optional").textContent } }));
    return;
  }
  write([...read(), { start: span.start, end: span.end, label: button.dataset.spanLabel, note: "" }].sort((a, b) => a.start - b.start));
  document.dispatchEvent(new CustomEvent("words-taken"));
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
