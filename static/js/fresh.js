// A part of the page that asks again by itself ([data-fresh]) waits while a person is at it: while something in it is open or being
// dragged, while words in it are marked, and while nobody looks. The next time comes soon.
function isInUse(part) {
  if (document.hidden || part.querySelector("dialog[open], details.menu[open], .is-choosing")) return true;
  const marked = document.getSelection();
  return Boolean(marked && !marked.isCollapsed && marked.containsNode(part, true));
}

for (const moment of ["htmx:before:request", "htmx:before:swap"]) {
  document.addEventListener(moment, (event) => {
    const part = event.detail.ctx.sourceElement;
    // What a person asked for in the part comes from an element of its own.
    if (part?.matches?.("[data-fresh]") && isInUse(part)) event.preventDefault();
  });
}
