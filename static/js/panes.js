// The line between a list and its preview: dragged, or moved with the arrow keys; the width is remembered on this device.
const KEY = "pane";
const LOW = 28;
const HIGH = 66;

function set(panes, share) {
  const kept = Math.min(HIGH, Math.max(LOW, share));
  panes.style.setProperty("--pane", `${kept}%`);
  panes.querySelector(".panes-resize")?.setAttribute("aria-valuenow", String(Math.round(kept)));
  try {
    localStorage.setItem(KEY, String(kept));
  } catch {
    // Storage may be off: the width then lasts as long as the page.
  }
}

const shareAt = (panes, x) => {
  const box = panes.getBoundingClientRect();
  const rtl = getComputedStyle(panes).direction === "rtl";
  return (100 * (rtl ? x - box.left : box.right - x)) / box.width;
};

function remembered() {
  try {
    return Number(localStorage.getItem(KEY));
  } catch {
    return 0;
  }
}

for (const panes of document.querySelectorAll(".panes")) {
  const kept = remembered();
  if (kept) set(panes, kept);
}

document.addEventListener("pointerdown", (event) => {
  if (!event.target.matches?.(".panes-resize")) return;
  const handle = event.target;
  const panes = handle.closest(".panes");
  handle.setPointerCapture(event.pointerId);
  const drag = (move) => set(panes, shareAt(panes, move.clientX));
  handle.addEventListener("pointermove", drag);
  handle.addEventListener("lostpointercapture", () => handle.removeEventListener("pointermove", drag), { once: true });
});

document.addEventListener("keydown", (event) => {
  if (!event.target.matches?.(".panes-resize") || !["ArrowLeft", "ArrowRight"].includes(event.key)) return;
  event.preventDefault();
  const panes = event.target.closest(".panes");
  const rtl = getComputedStyle(panes).direction === "rtl";
  const wider = (event.key === "ArrowLeft") !== rtl;
  set(panes, Number(event.target.getAttribute("aria-valuenow")) + (wider ? 2 : -2));
});
