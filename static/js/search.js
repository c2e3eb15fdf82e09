// Suggestions for the search box: fields, values, and how recorded answers go on. The focus stays in the box (a combobox with
// aria-activedescendant): arrows choose, Tab or Enter take what is chosen, Tab alone takes the first, Escape closes.
// Filters that were left empty don't go into the address.
const box = document.querySelector(".topbar-search input");
const list = document.getElementById("suggestions");
let timer = 0;
let asked = null;

const options = () => [...list.children];
const chosen = () => options().find((option) => option.getAttribute("aria-selected") === "true");

function select(option) {
  chosen()?.setAttribute("aria-selected", "false");
  if (!option) return box.removeAttribute("aria-activedescendant");
  option.setAttribute("aria-selected", "true");
  option.scrollIntoView({ block: "nearest" });
  box.setAttribute("aria-activedescendant", option.id);
}

function close() {
  clearTimeout(timer);
  asked?.abort();
  select(null);
  list.hidden = true;
  box.setAttribute("aria-expanded", "false");
}

async function suggest() {
  asked?.abort();
  asked = new AbortController();
  try {
    const answer = await fetch(`${list.dataset.url}?q=${encodeURIComponent(box.value)}`, { signal: asked.signal, headers: { "HX-Request": "true" } });
    if (!answer.ok) return close();
    const found = new DOMParser().parseFromString(await answer.text(), "text/html").body.children;
    select(null);
    list.replaceChildren(...found);
    list.hidden = !list.children.length || document.activeElement !== box;
    box.setAttribute("aria-expanded", String(!list.hidden));
  } catch (error) {
    if (error.name !== "AbortError") close();
  }
}

// What is taken is written into the box; the next word is suggested at once.
function take(option) {
  box.value = option.dataset.suggests;
  box.setSelectionRange(box.value.length, box.value.length);
  close();
  box.focus();
  suggest();
}

if (box && list) {
  box.addEventListener("input", () => {
    clearTimeout(timer);
    select(null);
    timer = setTimeout(suggest, 80);
  });
  box.addEventListener("keydown", (event) => {
    if (list.hidden || event.isComposing) return;
    const all = options();
    const at = all.indexOf(chosen());
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      // Between the last and the first lies the box itself, as it was typed.
      const next = at + step;
      select(at < 0 && step < 0 ? all.at(-1) : (all[next] ?? null));
    } else if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      close();
    } else if (event.key === "Tab" && !event.shiftKey) {
      event.preventDefault();
      take(all[at] ?? all[0]);
    } else if (event.key === "Enter" && at >= 0) {
      event.preventDefault();
      take(all[at]);
    } else if (event.key === "Enter") close();
  });
  box.addEventListener("blur", close);
  // Before the box loses the focus.
  list.addEventListener("mousedown", (event) => {
    const option = event.target.closest("[data-suggests]");
    event.preventDefault();
    if (option) take(option);
  });
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-filters], .topbar-search")) return;
  for (const control of event.target.elements) if (control.name && !control.value) control.disabled = true;
});
