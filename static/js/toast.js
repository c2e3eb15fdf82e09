// Toasts. The server sends HX-Trigger: {"toast": {"message": "Flagged", "undo": "/flags/ID/undo/"}}; any script may
// dispatch the same event. With `undo` the toast stays longer and offers one POST that takes it back; its answer takes the
// place of `target`, where one is named.
const stack = document.getElementById("toasts");
const template = document.getElementById("toast-template");
const LIFE = { plain: 5000, undo: 12000, error: 15000 };

function leave(toast) {
  toast.remove();
}

// Time stands still while somebody points at or is in the toast.
function live(toast, life) {
  let timer = setTimeout(leave, life, toast);
  const hold = () => clearTimeout(timer);
  const resume = () => {
    clearTimeout(timer);
    timer = setTimeout(leave, life / 2, toast);
  };
  toast.addEventListener("pointerenter", hold);
  toast.addEventListener("pointerleave", resume);
  toast.addEventListener("focusin", hold);
  toast.addEventListener("focusout", resume);
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
  stack.append(toast);
  while (stack.children.length > 3) stack.firstElementChild.remove();
  live(toast, LIFE[undo ? "undo" : kind] ?? LIFE.plain);
}

document.addEventListener("toast", (event) => say(event.detail ?? {}));
stack?.querySelectorAll(".toast").forEach((toast) => {
  toast.querySelector("[data-dismiss]")?.addEventListener("click", () => leave(toast));
  live(toast, toast.dataset.kind === "error" ? LIFE.error : LIFE.plain);
});
