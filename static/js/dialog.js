// Dialogs are native <dialog>. data-opens="ID" shows one, data-closes closes the one around it, a click on the backdrop too.
// A dialog that arrives by a swap with data-open shows itself; the event `dialog-close` (HX-Trigger) closes the top one.
// hx-confirm asks in #confirm, in our own design, with the focus on the safe answer.
const show = (dialog) => {
  if (!dialog || dialog.open) return;
  dialog.showModal();
  // The field to fill in, rather than the cross that comes first.
  (dialog.querySelector("[autofocus]") ?? dialog.querySelector(".dialog-body :is(input, select, textarea)"))?.focus();
};

document.addEventListener("click", (event) => {
  const opener = event.target.closest?.("[data-opens]");
  if (opener) {
    event.preventDefault();
    show(document.getElementById(opener.dataset.opens));
    return;
  }
  if (event.target.closest?.("[data-closes]")) event.target.closest("dialog")?.close();
  else if (event.target.matches?.("dialog.dialog[open]") && outside(event)) event.target.close();
});

function outside(event) {
  const box = event.target.getBoundingClientRect();
  return event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
}

const shown = (root) => root.querySelectorAll?.("dialog[data-open]:not([open])").forEach(show);
document.addEventListener("htmx:after:swap", () => shown(document));
shown(document);

document.addEventListener("dialog-close", () => [...document.querySelectorAll("dialog[open]")].at(-1)?.close());

const confirm = document.getElementById("confirm");

function ask(question, { yes, no }) {
  confirm.querySelector("[data-question]").textContent = question;
  confirm.returnValue = "";
  confirm.addEventListener("close", () => (confirm.returnValue === "yes" ? yes() : no()), { once: true });
  confirm.showModal();
  confirm.querySelector("[value=no]").focus();
}

document.addEventListener("htmx:confirm", (event) => {
  const { ctx, issueRequest, dropRequest } = event.detail;
  if (!confirm || !ctx?.confirm) return;
  event.preventDefault();
  ask(ctx.confirm, { yes: issueRequest, no: dropRequest });
});

// Plain forms: data-confirm="What will be lost", on the form or on the button.
document.addEventListener("submit", (event) => {
  const form = event.target;
  const submitter = event.submitter;
  const text = submitter?.dataset.confirm ?? form.dataset.confirm;
  if (!confirm || !text || form.dataset.confirmed) return;
  event.preventDefault();
  ask(text, {
    yes: () => {
      form.dataset.confirmed = "yes";
      form.requestSubmit(submitter);
    },
    no: () => {},
  });
});
