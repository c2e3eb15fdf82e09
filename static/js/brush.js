// Brush to zoom: a span of a timeline, chosen by dragging over it or with the keys on its two edges, goes into the page's own form
// of two times ([data-zoom]), and so into the address. The server draws it.
const FAR = 5; // Pixels before a press becomes a drag: shorter ones open what lies under them.
// As the server writes them: the day before the month.
const language = document.documentElement.lang || "en";
const words = new Intl.DateTimeFormat(language === "en" ? "en-GB" : language, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: "UTC" });
const chosen = new WeakMap();

const between = (low, value, high) => Math.min(high, Math.max(low, value));

// Seconds since 1970, the step a bin.
function whole(brush) {
  return { from: Number(brush.dataset.start), to: Number(brush.dataset.end) };
}

function momentAt(brush, x) {
  const { from, to } = whole(brush);
  const box = brush.getBoundingClientRect();
  const moment = from + ((to - from) * (x - box.left)) / box.width;
  return between(from, Math.round(moment / 60) * 60, to);
}

function show(brush, span) {
  const { from, to } = whole(brush);
  chosen.set(brush, span);
  const percent = (moment) => (100 * (moment - from)) / (to - from);
  const rect = brush.querySelector(".brush-span");
  rect.setAttribute("x", `${percent(span.from)}%`);
  rect.setAttribute("width", `${percent(span.to) - percent(span.from)}%`);
  for (const edge of brush.querySelectorAll("[data-edge]")) {
    const moment = span[edge.dataset.edge];
    // Geometry is set through the object model, which the Content-Security-Policy allows.
    edge.style.left = `${percent(moment)}%`;
    edge.setAttribute("aria-valuenow", percent(moment).toFixed(1));
    edge.setAttribute("aria-valuetext", words.format(moment * 1000));
  }
  const label = brush.querySelector("[data-words]");
  label.textContent = words.formatRange(span.from * 1000, span.to * 1000);
  label.style.left = `${between(15, (percent(span.from) + percent(span.to)) / 2, 85)}%`;
  brush.classList.add("is-choosing");
}

function reset(brush) {
  show(brush, whole(brush));
  chosen.delete(brush);
  brush.classList.remove("is-choosing");
}

function zoom(brush) {
  const span = chosen.get(brush);
  const all = whole(brush);
  const form = document.querySelector("[data-zoom]");
  reset(brush);
  if (!span || span.to - span.from < 60 || (span.from === all.from && span.to === all.to)) return;
  for (const name of ["from", "to"]) form.elements[name].value = new Date(span[name] * 1000).toISOString().slice(0, 16);
  form.requestSubmit();
}

document.addEventListener("submit", (event) => {
  if (event.target.matches("[data-zoom]")) event.target.closest("details").open = false;
});

let drag = null;

document.addEventListener("pointerdown", (event) => {
  const brush = event.target.closest?.("[data-lanes]")?.querySelector("[data-brush]");
  if (!brush || !event.isPrimary || event.button !== 0) return;
  const box = brush.getBoundingClientRect();
  if (event.clientX < box.left || event.clientX > box.right) return;
  drag = { brush, x: event.clientX, from: momentAt(brush, event.clientX), going: false };
});

document.addEventListener("pointermove", (event) => {
  if (!drag || !event.isPrimary) return;
  if (!drag.going) {
    if (Math.abs(event.clientX - drag.x) < FAR) return;
    drag.going = true;
    drag.brush.closest("[data-lanes]").setPointerCapture(event.pointerId);
  }
  const to = momentAt(drag.brush, event.clientX);
  show(drag.brush, { from: Math.min(drag.from, to), to: Math.max(drag.from, to) });
});

document.addEventListener("pointerup", (event) => {
  if (!drag || !event.isPrimary) return;
  const { brush, going } = drag;
  drag = null;
  if (!going) return;
  // The click that ends a drag is none.
  const swallow = (click) => (click.preventDefault(), click.stopPropagation());
  document.addEventListener("click", swallow, { capture: true, once: true });
  setTimeout(() => document.removeEventListener("click", swallow, { capture: true }));
  zoom(brush);
});

function stop() {
  if (drag?.going) reset(drag.brush);
  drag = null;
}

document.addEventListener("pointercancel", stop);
// Links would be dragged away, and words marked.
document.addEventListener("dragstart", (event) => event.target.closest?.("[data-lanes]") && event.preventDefault());
document.addEventListener("selectstart", (event) => drag && event.preventDefault());

document.addEventListener("focusin", (event) => {
  const brush = event.target.matches?.("[data-edge]") && event.target.closest("[data-brush]");
  if (brush && !chosen.has(brush)) show(brush, whole(brush));
});

document.addEventListener("focusout", (event) => {
  const brush = event.target.closest?.("[data-brush]");
  if (brush && !brush.contains(event.relatedTarget)) reset(brush);
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && drag?.going) return stop();
  if (!event.target.matches?.("[data-edge]") || event.ctrlKey || event.metaKey || event.altKey) return;
  const brush = event.target.closest("[data-brush]");
  const edge = event.target.dataset.edge;
  const all = whole(brush);
  const span = { ...(chosen.get(brush) ?? all) };
  const step = Number(brush.dataset.step) * (event.shiftKey ? 10 : 1);
  const onGrid = (moment) => Math.round(moment / brush.dataset.step) * brush.dataset.step;
  const moves = {
    // Time runs from left to right, whatever way the words do.
    ArrowRight: () => onGrid(span[edge] + step),
    ArrowLeft: () => onGrid(span[edge] - step),
    ArrowUp: () => onGrid(span[edge] + step),
    ArrowDown: () => onGrid(span[edge] - step),
    PageUp: () => onGrid(span[edge] + 10 * step),
    PageDown: () => onGrid(span[edge] - 10 * step),
    Home: () => all.from,
    End: () => all.to,
  };
  if (event.key === "Enter") zoom(brush);
  else if (event.key === "Escape") show(brush, all);
  else if (event.key in moves) {
    const moment = between(all.from, moves[event.key](), all.to);
    // The edges don't pass each other.
    span[edge] = edge === "from" ? Math.min(moment, span.to - 60) : Math.max(moment, span.from + 60);
    show(brush, span);
  } else return;
  event.preventDefault();
  event.stopPropagation();
});
