// The style guide's own: shows a toast with something to take back.
document.querySelector("[data-sample-toast]")?.addEventListener("click", () => {
  document.dispatchEvent(new CustomEvent("toast", { detail: { message: "Replay of 41 answers started", undo: "/act/", href: "#", label: "Look" } }));
});
