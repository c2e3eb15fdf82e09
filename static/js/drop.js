// A form with [data-drop] takes a file that is let go anywhere on the page, into its one file field. It is sent by its button.
function formFor(event) {
  return event.dataTransfer?.types.includes("Files") ? document.querySelector("form[data-drop]") : null;
}

document.addEventListener("dragover", (event) => {
  const form = formFor(event);
  if (!form) return;
  // Otherwise the browser would open the file in place of the page.
  event.preventDefault();
  event.dataTransfer.dropEffect = "copy";
  form.classList.add("is-awaiting");
});

document.addEventListener("dragleave", (event) => {
  // Left is the page, not one element of it for another.
  if (!event.relatedTarget) document.querySelector("form[data-drop]")?.classList.remove("is-awaiting");
});

document.addEventListener("drop", (event) => {
  const form = formFor(event);
  if (!form) return;
  event.preventDefault();
  form.classList.remove("is-awaiting");
  const field = form.querySelector("input[type=file]");
  if (!event.dataTransfer.files.length) return;
  const one = new DataTransfer();
  one.items.add(event.dataTransfer.files[0]);
  field.files = one.files;
  field.dispatchEvent(new Event("change", { bubbles: true }));
  form.querySelector("button.button-primary").focus();
  document.dispatchEvent(new CustomEvent("announce", { detail: { message: event.dataTransfer.files[0].name } }));
});
