// Suggestions for the search box: fields, then values. Filters that were left empty don't go into the address.
const box = document.querySelector(".topbar-search input");
const list = document.getElementById("suggestions");
let timer = 0;
let asked = null;

async function suggest() {
  asked?.abort();
  asked = new AbortController();
  try {
    const answer = await fetch(`${list.dataset.url}?q=${encodeURIComponent(box.value)}`, { signal: asked.signal, headers: { "HX-Request": "true" } });
    if (!answer.ok) return;
    list.replaceChildren(...new DOMParser().parseFromString(await answer.text(), "text/html").body.children);
    list.hidden = !list.children.length;
    box.setAttribute("aria-expanded", String(!list.hidden));
  } catch (error) {
    if (error.name !== "AbortError") list.hidden = true;
  }
}

function choose(option) {
  box.value = option.dataset.suggests + (option.dataset.suggests.endsWith(":") ? "" : " ");
  list.hidden = true;
  box.focus();
  if (option.dataset.suggests.endsWith(":")) suggest();
}

if (box && list) {
  box.closest("form").append(list);
  box.setAttribute("role", "combobox");
  box.setAttribute("aria-controls", "suggestions");
  box.setAttribute("aria-expanded", "false");
  box.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(suggest, 80);
  });
  box.addEventListener("keydown", (event) => {
    const options = [...list.children];
    if (event.key === "Escape" && !list.hidden) {
      list.hidden = true;
      event.stopPropagation();
    } else if (event.key === "ArrowDown" && options.length && !list.hidden) {
      event.preventDefault();
      options[0].focus();
    } else if (event.key === "Tab" && options.length && !list.hidden) {
      event.preventDefault();
      choose(options[0]);
    }
  });
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[data-suggests]");
    if (option) choose(option);
  });
  list.addEventListener("keydown", (event) => {
    const options = [...list.children];
    const at = options.indexOf(document.activeElement);
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      (options[at + (event.key === "ArrowDown" ? 1 : -1)] ?? box).focus();
    } else if (event.key === "Escape") box.focus();
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest(".topbar-search")) list.hidden = true;
  });
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-filters], .topbar-search")) return;
  for (const control of event.target.elements) if (control.name && !control.value) control.disabled = true;
});
