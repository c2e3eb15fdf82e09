// Tokens beside tokens: pointing at one, or moving to it with the arrow keys, shows what else might have stood there, in both
// answers where both chose after the same words ([data-pair]). Tokens carry their alternatives as JSON; one panel shows them.
const SVG = "http://www.w3.org/2000/svg";
const panel = document.createElement("div");
panel.className = "menu-panel token-panel";
panel.id = "token-panel";
panel.hidden = true;
document.body.append(panel);
const percent = new Intl.NumberFormat(document.documentElement.lang || "en", { style: "percent", maximumSignificantDigits: 3 });

function make(tag, className, text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

function bar(share) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [name, value] of Object.entries({ class: "meter-bar", width: "48", height: "4", "aria-hidden": "true" })) svg.setAttribute(name, value);
  for (const [kind, width] of [["track", 1], ["done", share]]) {
    const rect = document.createElementNS(SVG, "rect");
    for (const [name, value] of Object.entries({ class: `meter-${kind}`, width: `${100 * width}%`, height: "100%", rx: "2" })) rect.setAttribute(name, value);
    svg.append(rect);
  }
  return svg;
}

function side(token) {
  const name = token.closest(".aligned-cell")?.dataset.side ?? "";
  const section = make("section", "token-side");
  section.append(make("h4", "", name));
  const list = make("div", "alternatives");
  for (const [text, share, chosen] of JSON.parse(token.dataset.alternatives ?? "[]")) {
    const row = make("div", `alternative${chosen ? " is-chosen" : ""}`);
    const words = make("span", "", text.replaceAll("\n", "⏎").replace(/^ /, "·") || "∅");
    words.dir = "auto";
    const meter = make("span", "meter");
    meter.append(bar(share), make("span", "meter-figure", percent.format(share)));
    row.append(words, meter);
    list.append(row);
  }
  if (!list.children.length) list.append(make("p", "secondary", "–"));
  section.append(list);
  return section;
}

function pairOf(token) {
  if (token.dataset.pair === undefined) return null;
  const body = token.closest("[data-tokens]");
  return body.querySelector(`[data-pair="${token.dataset.pair}"]:not([data-of="${token.dataset.of}"])`);
}

function show(token) {
  const pair = pairOf(token);
  hide();
  pair?.classList.add("is-pair");
  const sides = make("div", "token-sides");
  const both = [token, pair].filter(Boolean).sort((a) => (a.dataset.of === "left" ? -1 : 1));
  sides.append(...both.map(side));
  panel.replaceChildren(sides);
  panel.hidden = false;
  token.setAttribute("aria-describedby", panel.id);
  const box = token.getBoundingClientRect();
  const left = Math.min(box.left, innerWidth - panel.offsetWidth - 8);
  const below = box.bottom + panel.offsetHeight + 8 < innerHeight;
  // Geometry is set through the object model, which the Content-Security-Policy allows.
  panel.style.insetInlineStart = "auto";
  panel.style.left = `${Math.max(8, left) + scrollX}px`;
  panel.style.top = `${(below ? box.bottom + 4 : box.top - panel.offsetHeight - 4) + scrollY}px`;
}

function hide() {
  panel.hidden = true;
  document.querySelectorAll(".token.is-pair").forEach((token) => token.classList.remove("is-pair"));
  document.querySelectorAll('[aria-describedby="token-panel"]').forEach((token) => token.removeAttribute("aria-describedby"));
}

document.addEventListener("pointerover", (event) => {
  const token = event.target.closest?.("[data-token]");
  if (token) show(token);
  else if (!event.target.closest?.(".token-panel") && !document.activeElement?.matches("[data-token]")) hide();
});
document.addEventListener("focusin", (event) => (event.target.matches?.("[data-token]") ? show(event.target) : hide()));
document.addEventListener("focusout", (event) => event.target.matches?.("[data-token]") && hide());

document.addEventListener("keydown", (event) => {
  const body = event.target.closest?.("[data-tokens]");
  if (!body || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") return hide();
  const here = event.target.matches("[data-token]") ? event.target : null;
  const tokens = [...body.querySelectorAll(`[data-token][data-of="${here?.dataset.of ?? "left"}"]`)];
  const at = tokens.indexOf(here);
  const rtl = getComputedStyle(here ?? body).direction === "rtl";
  const steps = { ArrowRight: rtl ? -1 : 1, ArrowLeft: rtl ? 1 : -1, Home: -tokens.length, End: tokens.length };
  let next;
  if (event.key in steps) next = tokens[Math.max(0, Math.min(tokens.length - 1, at + steps[event.key]))];
  // Up and down change sides.
  else if (here && ["ArrowUp", "ArrowDown"].includes(event.key)) next = pairOf(here);
  else return;
  event.preventDefault();
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
});
