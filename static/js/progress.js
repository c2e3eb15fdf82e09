// How far somebody is in a queue, told by whatever answer comes: the event `figures` ({words, done, total, waiting, waiting_words})
// renews the line and the bar of the screen, and the counts of what waits beside Review in the frame.
document.addEventListener("figures", ({ detail }) => {
  const words = document.querySelector("[data-progress]");
  if (!words) return;
  words.textContent = detail.words;
  Object.assign(words.parentElement.querySelector("progress"), { max: detail.total || 1, value: detail.done });
  document.querySelectorAll("[data-count=review]").forEach((count) => {
    count.hidden = !detail.waiting;
    count.querySelector("[data-figure]").textContent = detail.waiting_words;
  });
});
