// Copy buttons: data-copy="text", or data-copy-from="ID" for the text of an element.
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy], [data-copy-from]");
  if (!button) return;
  event.preventDefault();
  const text = button.dataset.copy ?? document.getElementById(button.dataset.copyFrom)?.textContent ?? "";
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without the clipboard (plain http, no permission) the text is at least selected.
    const source = document.getElementById(button.dataset.copyFrom);
    if (source) getSelection().selectAllChildren(source);
    return;
  }
  button.dataset.copied = "";
  const use = button.querySelector("use");
  const before = use?.getAttribute("href");
  use?.setAttribute("href", before.replace(/#.*/, "#check2"));
  document.dispatchEvent(new CustomEvent("announce", { detail: { message: button.dataset.copiedLabel ?? "Copied" } }));
  setTimeout(() => {
    delete button.dataset.copied;
    use?.setAttribute("href", before);
  }, 1500);
});
