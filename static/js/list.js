// Lists worked by keys: [data-list] holds rows [data-row="ID"], each with a link [data-open] and perhaps a checkbox
// [data-select]. The active row has aria-current; becoming active sends `activate` to the row (a preview may listen): at once,
// or, while somebody runs through the list, for the row where they come to rest.
// components/list-keys.html declares the keys; keys.js sends the events heard here. Works on what the page holds now, so
// that swapped-in rows need no set-up.
const list = () => [...document.querySelectorAll("[data-list]")].find((one) => one.checkVisibility?.() ?? true);
const rowsOf = (one) => [...one.querySelectorAll("[data-row]")];
const activeOf = (one) => one.querySelector("[data-row][aria-current=true]");
const remembered = new WeakMap();
const REST = 120;
let anchor = null;
let lent = null;
let last = 0;
let resting;

function tell(row) {
  const now = performance.now();
  const running = now - last < REST;
  last = now;
  clearTimeout(resting);
  const send = () => row.isConnected && row.dispatchEvent(new CustomEvent("activate", { bubbles: true }));
  if (running) resting = setTimeout(send, REST);
  else send();
}

function activate(row, { focus = true } = {}) {
  const one = row.closest("[data-list]");
  const before = activeOf(one);
  if (before !== row) {
    before?.removeAttribute("aria-current");
    row.setAttribute("aria-current", "true");
    remembered.set(one, row.dataset.row);
    tell(row);
  }
  row.scrollIntoView({ block: "nearest" });
  if (focus) row.querySelector("[data-open]")?.focus({ preventScroll: true });
}

function move(step) {
  const one = list();
  if (!one) return;
  const rows = rowsOf(one);
  const at = rows.indexOf(activeOf(one));
  const next = at < 0 ? (step > 0 ? 0 : rows.length - 1) : at + step;
  if (rows[next]) activate(rows[next]);
  // The end of the list asks for more, where there is more.
  else if (step > 0) one.dispatchEvent(new CustomEvent("list-end", { bubbles: true }));
}

function selection(one) {
  const boxes = [...one.querySelectorAll("[data-select]")];
  const chosen = boxes.filter((box) => box.checked);
  const all = one.querySelector("[data-select-all]");
  if (all) {
    all.checked = chosen.length > 0 && chosen.length === boxes.length;
    all.indeterminate = chosen.length > 0 && chosen.length < boxes.length;
  }
  const scope = one.closest("form") ?? document;
  scope.querySelectorAll("[data-selection-bar]").forEach((bar) => (bar.hidden = !chosen.length));
  scope.querySelectorAll("[data-selection-count]").forEach((count) => (count.textContent = String(chosen.length)));
  document.querySelectorAll("[data-selection-title]").forEach((title) => {
    title.textContent = chosen.length > 1 ? title.dataset.many.replace("{n}", String(chosen.length)) : title.dataset.one;
  });
  one.dispatchEvent(new CustomEvent("selection", { bubbles: true, detail: { ids: chosen.map((box) => box.value) } }));
}

function check(row, { range = false, value } = {}) {
  const one = row.closest("[data-list]");
  const box = row.querySelector("[data-select]");
  if (!box) return;
  const on = value ?? !box.checked;
  const rows = rowsOf(one);
  const from = range && anchor?.isConnected ? rows.indexOf(anchor) : rows.indexOf(row);
  const to = rows.indexOf(row);
  for (const between of rows.slice(Math.min(from, to), Math.max(from, to) + 1)) {
    const other = between.querySelector("[data-select]");
    if (other) other.checked = range ? true : on;
  }
  anchor = row;
  selection(one);
}

document.addEventListener("list-next", () => move(1));
document.addEventListener("list-previous", () => move(-1));
document.addEventListener("list-open", () => list() && activeOf(list())?.querySelector("[data-open]")?.click());
document.addEventListener("list-annotate", () => {
  const link = list() && activeOf(list())?.querySelector("[data-open]");
  if (link) location.assign(`${link.href}#annotate`);
});
document.addEventListener("list-select", () => list() && activeOf(list()) && check(activeOf(list())));
document.addEventListener("list-select-range", () => list() && activeOf(list()) && check(activeOf(list()), { range: true }));
document.addEventListener("list-clear", () => {
  const one = list();
  if (!one?.querySelector("[data-select]:checked")) return;
  one.querySelectorAll("[data-select]").forEach((box) => (box.checked = false));
  selection(one);
});

document.addEventListener("click", (event) => {
  const box = event.target.closest?.("[data-select]");
  const row = event.target.closest?.("[data-row]");
  if (box && row) check(row, { range: event.shiftKey, value: box.checked });
  else if (row?.closest("[data-list]")) activate(row, { focus: false });
});

// What is done to a selection is done to the active row where nothing is selected: it is checked for as long as that takes.
document.addEventListener(
  "click",
  (event) => {
    const one = event.target.closest?.("[data-selection-bar]") && list();
    if (!one || one.querySelector("[data-select]:checked")) return;
    if (activeOf(one)) {
      lent = activeOf(one);
      return check(lent, { value: true });
    }
    event.preventDefault();
    event.stopImmediatePropagation();
    document.dispatchEvent(new CustomEvent("toast", { detail: { message: one.dataset.choose } }));
  },
  true,
);

function takeBack() {
  if (lent?.isConnected) check(lent, { value: false });
  lent = null;
}
document.addEventListener("close", takeBack, true);
window.addEventListener("pageshow", takeBack);

document.addEventListener("change", (event) => {
  if (!event.target.matches?.("[data-select-all]")) return;
  const one = event.target.closest("[data-list]");
  one.querySelectorAll("[data-select]").forEach((box) => (box.checked = event.target.checked));
  selection(one);
});

// Tabbing into a row makes it the active one.
document.addEventListener("focusin", (event) => {
  const row = event.target.matches?.("[data-open]") && event.target.closest("[data-list] [data-row]");
  if (row) activate(row, { focus: false });
});

// A list that was swapped keeps its place.
document.addEventListener("htmx:after:swap", () => {
  for (const one of document.querySelectorAll("[data-list]")) {
    const kept = remembered.get(one);
    const row = kept && !activeOf(one) && one.querySelector(`[data-row="${CSS.escape(kept)}"]`);
    if (row) row.setAttribute("aria-current", "true");
    if (one.querySelector("[data-select]")) selection(one);
  }
});
