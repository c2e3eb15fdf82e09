// The tokens view: arrow keys move over the tokens, pointing or moving shows the alternatives, U goes to the least certain.
// Each [data-token] names its alternatives by aria-describedby; they are shown in one floating panel.
const panel = document.createElement("div");
panel.className = "menu-panel token-panel";
panel.hidden = true;
document.body.append(panel);

function show(token) {
  const source = document.getElementById(token.getAttribute("aria-describedby"));
  if (!source) return;
  panel.replaceChildren(...[...source.childNodes].map((node) => node.cloneNode(true)));
  panel.hidden = false;
  const box = token.getBoundingClientRect();
  const left = Math.min(box.left, innerWidth - panel.offsetWidth - 8);
  const below = box.bottom + panel.offsetHeight + 8 < innerHeight;
  // Geometry is set through the object model, which the Content-Security-Policy allows.
  panel.style.insetInlineStart = "auto";
  panel.style.left = `${Math.max(8, left) + scrollX}px`;
  panel.style.top = `${(below ? box.bottom + 4 : box.top - panel.offsetHeight - 4) + scrollY}px`;
}

const hide = () => (panel.hidden = true);
const all = (line) => [...line.querySelectorAll("[data-token]")];

function go(token) {
  if (!token) return;
  token.focus();
  token.scrollIntoView({ block: "nearest" });
}

document.addEventListener("pointerover", (event) => {
  const token = event.target.closest?.("[data-token]");
  if (token) show(token);
  else if (!event.target.closest?.(".token-panel")) hide();
});
document.addEventListener("focusin", (event) => (event.target.matches?.("[data-token]") ? show(event.target) : hide()));

document.addEventListener("keydown", (event) => {
  const line = event.target.closest?.("[data-tokens]");
  if (!line || event.ctrlKey || event.metaKey || event.altKey) return;
  const tokens = all(line);
  const at = tokens.indexOf(event.target);
  const backwards = getComputedStyle(line).direction === "rtl" ? "ArrowRight" : "ArrowLeft";
  const forwards = backwards === "ArrowLeft" ? "ArrowRight" : "ArrowLeft";
  const steps = { [forwards]: 1, [backwards]: -1, Home: -tokens.length, End: tokens.length };
  if (event.key === "Escape") return hide();
  if (!(event.key in steps)) return;
  event.preventDefault();
  go(tokens[Math.max(0, Math.min(tokens.length - 1, at + steps[event.key]))]);
});

// The least certain tokens, from the least on; each press goes to the next of them.
let round = [];
document.addEventListener("least-certain", () => {
  const line = document.querySelector("[data-tokens]");
  if (!line) return;
  if (!round.length || !round[0].isConnected) {
    round = all(line)
      .filter((token) => token.dataset.p !== "")
      .sort((a, b) => Number(a.dataset.p) - Number(b.dataset.p))
      .slice(0, 20);
  }
  const next = round.shift();
  round.push(next);
  go(next);
});
