// Toasts. The server sends HX-Trigger: {"toast": {"message": "Flagged", "undo": "/flags/ID/undo/"}}; any script may
// dispatch the same event. With `undo` the toast stays longer and offers one POST that takes it back; its answer takes the
// place of `target`, where one is named.
const stack = document.getElementById("toasts");
const template = document.getElementById("toast-template");
// How long they stay, and a little longer for each letter that is to be read.
const LIFE = { plain: 4000, undo: 9000, error: 6000 };
const LETTER = 40;
const AFTER = 3000;

function leave(toast) {
  toast.remove();
}

// Time stands still while somebody points at or is in the toast, or looks at another tab.
function live(toast, kind) {
  const ends = performance.now() + (LIFE[kind] ?? LIFE.plain) + LETTER * toast.textContent.trim().length;
  const attended = () => document.hidden || toast.matches(":hover, :focus-within");
  const look = () => (attended() ? wait(AFTER) : leave(toast));
  let timer;
  function wait(time) {
    clearTimeout(timer);
    timer = setTimeout(look, time);
  }
  const resume = () => wait(Math.max(ends - performance.now(), AFTER));
  toast.addEventListener("pointerleave", resume);
  toast.addEventListener("focusout", resume);
  wait(ends - performance.now());
}

// What lies outside an open dialog can't be read nor closed, so they go where the person is.
function follow() {
  const place = [...document.querySelectorAll("dialog:modal")].at(-1) ?? document.body;
  if (stack.parentElement !== place) place.append(stack);
}

function say({ message, kind = "plain", undo = "", target = "", href = "", label = "" }) {
  if (!stack || !message) return;
  const toast = template.content.firstElementChild.cloneNode(true);
  toast.dataset.kind = kind;
  toast.querySelector("p").textContent = message;
  const button = toast.querySelector("[data-undo]");
  const link = toast.querySelector("a");
  if (undo) {
    button.addEventListener("click", () => {
      leave(toast);
      window.htmx.ajax("POST", undo, { source: document.body, target: target || document.body, swap: target ? "outerMorph" : "none" });
    });
  } else button.remove();
  if (href) {
    link.href = href;
    if (label) link.textContent = label;
  } else link.remove();
  toast.querySelector("[data-dismiss]").addEventListener("click", () => leave(toast));
  // The newest undo is the one that the key `z` works.
  if (undo) stack.querySelectorAll("[data-key]").forEach((older) => delete older.dataset.key);
  // What is said again is not said twice.
  [...stack.children].find((older) => !undo && older.dataset.kind === kind && older.querySelector("p").textContent === message)?.remove();
  stack.append(toast);
  follow();
  while (stack.children.length > 3) stack.firstElementChild.remove();
  live(toast, undo ? "undo" : kind);
}

document.addEventListener("close", () => stack && follow(), true);
document.addEventListener("toast", (event) => say(event.detail ?? {}));
stack?.querySelectorAll(".toast").forEach((toast) => {
  toast.querySelector("[data-dismiss]")?.addEventListener("click", () => leave(toast));
  live(toast, toast.querySelector("form") ? "undo" : toast.dataset.kind);
});
