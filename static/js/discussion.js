// Discussions: [data-discussion] cards ask every few seconds whether something is new, while somebody can see them; `t` (on
// [data-thread-new]) writes about the words that are selected (marks.js), or about the whole; a thread and its words lead to
// each other, and an address that ends in #thread-ID leads to both.
const EVERY = 3000;
const cards = () => document.querySelectorAll("[data-discussion]");

function seen(card) {
  const box = card.getBoundingClientRect();
  return card.checkVisibility() && box.bottom > 0 && box.top < innerHeight;
}

setInterval(() => {
  if (document.hidden) return;
  for (const card of cards()) if (seen(card)) card.dispatchEvent(new CustomEvent("discussion-look"));
}, EVERY);

function about(details, found) {
  const form = details.querySelector("form");
  for (const name of ["place", "words", "near"]) form.elements[name].value = found?.[name] ?? "";
  const quote = form.querySelector("[data-thread-words]");
  quote.textContent = found?.words.trim() ?? "";
  quote.hidden = !found;
}

// Where two answers stand side by side, words can't be asked about.
function begin(details) {
  const detail = {};
  if (document.getElementById("answer-text")) document.dispatchEvent(new CustomEvent("words-asked", { detail }));
  if (!details.open || detail.found) {
    about(details, detail.found);
    // What was written before is about these words now, also when it is kept.
    details.querySelector("textarea").dispatchEvent(new Event("input", { bubbles: true }));
  }
  details.open = true;
  document.dispatchEvent(new CustomEvent("words-taken"));
  const text = details.querySelector("textarea");
  text.focus();
  text.scrollIntoView({ block: "nearest" });
}

const wordsOf = (thread) => document.querySelectorAll(`mark[data-thread="${CSS.escape(thread.id)}"]`);

function light(marks) {
  document.querySelectorAll("mark[aria-current]").forEach((mark) => mark.removeAttribute("aria-current"));
  marks.forEach((mark) => mark.setAttribute("aria-current", "true"));
}

function toWords(thread) {
  const marks = wordsOf(thread);
  light(marks);
  marks[0]?.closest("details")?.setAttribute("open", "");
  marks[0]?.scrollIntoView({ block: "center" });
  return marks[0];
}

// To the thread, and to its words too where the window holds both.
function toThread(thread) {
  thread.closest("details")?.setAttribute("open", "");
  const mark = toWords(thread);
  thread.focus({ preventScroll: true });
  const box = thread.getBoundingClientRect();
  if (mark && box.bottom < innerHeight && box.top > 0) return;
  thread.scrollIntoView({ block: "center" });
}

function follow() {
  if (!location.hash.startsWith("#thread-")) return;
  const thread = document.getElementById(location.hash.slice(1));
  if (thread) toThread(thread);
}

document.addEventListener("click", (event) => {
  const summary = event.target.closest?.("[data-thread-new] > summary");
  if (summary) {
    event.preventDefault();
    begin(summary.parentElement);
  }
  const quote = event.target.closest?.("[data-to-words]");
  if (quote) {
    event.preventDefault();
    toWords(quote.closest(".thread"));
  }
  const thread = document.getElementById(event.target.closest?.("mark[data-thread]")?.dataset.thread ?? "");
  if (thread && getSelection().isCollapsed) toThread(thread);
  const cancel = event.target.closest?.("[data-thread-cancel]");
  if (cancel) {
    const details = cancel.closest("details");
    setTimeout(() => {
      details.open = false;
      details.querySelector("summary").focus();
    });
  }
});

// What was written has arrived: its form is empty again, and the focus stays where the thread is.
document.addEventListener("discussion-kept", ({ detail }) => {
  const form = document.getElementById(detail.form);
  if (!form) return;
  form.reset();
  const fold = form.closest("[data-thread-new], .post-edit");
  if (fold?.matches("[data-thread-new]")) about(fold, null);
  if (fold) {
    fold.open = false;
    fold.querySelector("summary").focus();
  }
});

window.addEventListener("hashchange", follow);
// When all is loaded the browser itself goes to the place, and takes the focus from whoever had it.
window.addEventListener("load", () => setTimeout(follow));
