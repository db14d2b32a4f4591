// A hardware scanner types what it reads, faster than any hand, and ends with Enter. It is heard
// anywhere on the page; where a field has the focus, what was typed into it is taken out again.
// No module: it listens before the page is built, so that a code typed meanwhile is whole. What
// began before a page was left goes on in the next.

"use strict";

const QUICKEST_HAND_MS = 60;
const SHORTEST_CODE = 6;
const LONGEST_CHANGE_MS = 1500;
const BEGUN = "typed";
const at = (event) => performance.timeOrigin + event.timeStamp;
let { typed, last } = JSON.parse(sessionStorage.getItem(BEGUN)) ?? { typed: "", last: 0 };
let carried = typed.length > 1;
let field = null;
let before = "";

const isField = (element) => element.matches?.("input, textarea") ?? false;

function begin(event) {
  typed = "";
  field = isField(event.target) ? event.target : null;
  before = field ? field.value : "";
}

function submit(text) {
  const form = document.createElement("form");
  form.method = "post";
  form.action = document.getElementById("finder")?.dataset.typed ?? document.body?.dataset.scanned ?? "/scan";
  const input = document.createElement("input");
  input.type = "hidden";
  input.name = "text";
  input.value = text;
  form.append(input);
  document.documentElement.append(form);  // the page may have no body yet
  form.submit();
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (at(event) - last > (carried ? LONGEST_CHANGE_MS : QUICKEST_HAND_MS)) begin(event);
  carried = false;
  last = at(event);
  if (event.key.length === 1) {
    typed += event.key;
    // A space in the text must not press the button that has the focus.
    if (typed.length > 1 && !isField(event.target)) event.preventDefault();
  } else if (event.key === "Enter") {
    if (typed.length >= SHORTEST_CODE) {
      event.preventDefault();
      if (field) field.value = before;
      submit(typed);
    }
    typed = "";
  }
}, { capture: true });

addEventListener("pagehide", () => sessionStorage.setItem(BEGUN, JSON.stringify({ typed, last })));
