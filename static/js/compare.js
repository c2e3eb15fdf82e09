// Steps through the differences of the compare page. Elements [data-difference="N"] belong to the difference N (one on each
// side, or several); a button [data-step] goes on by one. Works on what the page holds now: other modes are swapped in.
const bodies = () => document.getElementById("bodies");
let at = 0;

const all = () => Number(bodies()?.querySelector("[data-differences]")?.dataset.differences ?? 0);

function show(number) {
  const body = bodies();
  body.querySelectorAll('[data-difference][aria-current="true"]').forEach((one) => one.removeAttribute("aria-current"));
  const found = [...body.querySelectorAll(`[data-difference="${number}"]`)];
  for (const one of found) {
    one.setAttribute("aria-current", "true");
    // What is folded away opens for who steps into it.
    for (let fold = one.closest("details"); fold && body.contains(fold); fold = fold.parentElement.closest("details")) fold.open = true;
  }
  const status = body.querySelector("[data-difference-status]");
  status.textContent = status.dataset.of.replace("{n}", String(number)).replace("{all}", String(all()));
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const seen = found.find((one) => one.checkVisibility?.() ?? true);
  if (!seen) return;
  seen.scrollIntoView({ block: "center", behavior: calm ? "auto" : "smooth" });
  // A token shows its alternatives when it has the focus.
  if (seen.matches("[data-token]")) seen.focus({ preventScroll: true });
}

function step(by) {
  const total = all();
  if (!total) return;
  at = at ? ((at - 1 + by + total) % total) + 1 : by > 0 ? 1 : total;
  show(at);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-step]");
  if (button) return step(Number(button.dataset.step));
  const mark = event.target.closest?.("[data-difference]");
  if (mark && bodies()?.contains(mark)) at = Number(mark.dataset.difference);
});

document.addEventListener("htmx:after:swap", () => {
  if (!bodies()?.querySelector('[data-difference][aria-current="true"]')) at = 0;
});
