// Counting by tapping: a note more, a note less, and the sum of what lies on the table.

const form = document.getElementById("count");
const sum = document.getElementById("sum");

function add() {
  let total = 0;
  for (const row of form.querySelectorAll("[data-worth]"))
    total += Number(row.dataset.worth) * Number(row.querySelector("input").value);
  sum.querySelector(".amount").textContent = `Rp${total.toLocaleString("id-ID")}`;
}

form.addEventListener("input", add);
form.addEventListener("click", (event) => {
  const step = event.target.closest("[data-step]");
  if (!step) return;
  const input = step.closest("[data-worth]").querySelector("input");
  input.value = Math.max(0, Number(input.value) + Number(step.dataset.step)) || "";
  add();
});
for (const step of form.querySelectorAll("[data-step]")) step.hidden = false;
sum.hidden = false;
add();
