// Shows what a correction changes while it is written: [data-difference-of="NAME"] beside the field NAME gets the words that
// go (del) and those that come (ins), against the recorded answer in #answer-text.
const MOST = 4_000_000;
const split = (text) => text.match(/\s+|[^\s]+/g) ?? [];

function parts(before, after) {
  const a = split(before);
  const b = split(after);
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  const left = a.slice(start, a.length - end);
  const right = b.slice(start, b.length - end);
  const middle = left.length * right.length > MOST ? [["del", left.join("")], ["ins", right.join("")]] : common(left, right);
  return [["", a.slice(0, start).join("")], ...middle, ["", a.slice(a.length - end).join("")]];
}

// The longest common run of words, by the table that every textbook has.
function common(left, right) {
  const width = right.length + 1;
  const table = new Uint32Array((left.length + 1) * width);
  for (let i = left.length - 1; i >= 0; i -= 1) {
    for (let j = right.length - 1; j >= 0; j -= 1) {
      table[i * width + j] = left[i] === right[j] ? table[(i + 1) * width + j + 1] + 1 : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
    }
  }
  const found = [];
  let [i, j] = [0, 0];
  while (i < left.length || j < right.length) {
    if (i < left.length && j < right.length && left[i] === right[j]) {
      found.push(["", left[i]]);
      i += 1;
      j += 1;
    } else if (i < left.length && (j >= right.length || table[(i + 1) * width + j] >= table[i * width + j + 1])) found.push(["del", left[i++]]);
    else found.push(["ins", right[j++]]);
  }
  return found;
}

function draw(field) {
  const shown = field.closest("[data-correction]")?.querySelector("[data-difference-of]");
  if (!shown) return;
  // A text area has LF where the answer may have CR LF; line ends are no part of a correction.
  const answer = JSON.parse(document.getElementById("answer-text")?.dataset.text ?? '""').replaceAll(/\r\n?/g, "\n");
  shown.hidden = field.value === answer;
  shown.replaceChildren(
    ...parts(answer, field.value).filter(([, text]) => text).map(([kind, text]) => {
      if (!kind) return document.createTextNode(text);
      const mark = document.createElement(kind);
      mark.textContent = text;
      return mark;
    }),
  );
}

document.addEventListener("input", (event) => event.target.matches?.("[name=correction]") && draw(event.target));
document.addEventListener("answer-drawn", () => document.querySelectorAll("[data-correction][open] [name=correction]").forEach(draw));
