// Menus are <details class="menu">: they work without this. Here: one open at a time, closed by Escape, by a click
// elsewhere or by leaving; arrows move between items.
const open = () => document.querySelectorAll("details.menu[open]");
const items = (menu) => [...menu.querySelectorAll(".menu-item:not(:disabled), a.menu-block, .menu-panel input")];

function close(menu, { refocus = false } = {}) {
  menu.open = false;
  if (refocus) menu.querySelector("summary").focus();
}

// One that holds a field begins in it.
document.addEventListener("toggle", (event) => event.target.matches?.("details.menu[open]") && event.target.querySelector("[autofocus]")?.focus(), true);

document.addEventListener("click", (event) => {
  for (const menu of open()) {
    const inside = menu.contains(event.target);
    const chosen = event.target.closest?.(".menu-item") && !event.target.closest("[data-stay]");
    if (!inside || (chosen && menu.contains(event.target))) close(menu);
  }
});

document.addEventListener("focusin", (event) => {
  for (const menu of open()) if (!menu.contains(event.target)) close(menu);
});

document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.("details.menu");
  if (event.key === "Escape") {
    const top = [...open()].at(-1);
    if (top) {
      event.preventDefault();
      close(top, { refocus: top.contains(event.target) });
    }
    return;
  }
  if (!menu || !["ArrowDown", "ArrowUp", "Home", "End"].includes(event.key)) return;
  if (event.target.matches("input:not([type=checkbox], [type=radio]), textarea, select")) return;
  event.preventDefault();
  menu.open = true;
  const list = items(menu);
  const at = list.indexOf(document.activeElement);
  const step = { ArrowDown: at + 1, ArrowUp: at < 0 ? list.length - 1 : at - 1, Home: 0, End: list.length - 1 }[event.key];
  list[(step + list.length) % list.length]?.focus();
});

// Signing out has the browser clear its store of what this person began to write. It does so for safe addresses only.
document.addEventListener("submit", ({ target }) => {
  if (!isSecureContext && new URL(target.action).pathname.endsWith("/accounts/logout/")) localStorage.clear();
});
