// A hardware scanner types what it reads, faster than any hand, and ends with Enter. It is heard
// anywhere on the page; where a field has the focus, what was typed into it is taken out again.

const QUICKEST_HAND_MS = 60;
const SHORTEST_CODE = 6;
let typed = "";
let last = 0;
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
  form.action = "/scan";
  const input = document.createElement("input");
  input.type = "hidden";
  input.name = "text";
  input.value = text;
  form.append(input);
  document.body.append(form);
  form.submit();
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.timeStamp - last > QUICKEST_HAND_MS) begin(event);
  last = event.timeStamp;
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
