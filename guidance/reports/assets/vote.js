// Blind votes: one pair after another, by mouse or keyboard; saved as a file on request.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const votes = [];
const byId = (id) => document.getElementById(id);
let saved = 0;

function draw() {
  const pair = data.pairs[votes.length];
  byId("done").value = votes.length;
  byId("count").textContent = `${votes.length} of ${data.pairs.length}`;
  byId("undo").disabled = votes.length === 0;
  byId("save").disabled = votes.length === 0;
  byId("choices").hidden = byId("pair").hidden = !pair;
  byId("prompt").textContent = pair ? pair.prompt : "Thank you. Save the votes.";
  if (!pair) return;
  for (const stage of document.querySelectorAll(".pair .stage")) {
    show(stage, pair.sides[stage.dataset.side]);
    stage.querySelector("video")?.removeAttribute("controls");
  }
}

function vote(choice) {
  const pair = data.pairs[votes.length];
  if (!pair) return;
  votes.push({ prompt: pair.prompt, first: pair.sides[0].name, second: pair.sides[1].name, choice });
  draw();
}

function undo() {
  votes.pop();
  draw();
}

function save() {
  const text = JSON.stringify({ schema_version: data.schema_version, seed: data.seed, votes }, null, 1);
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type: "application/json" })), download: "votes.json" });
  link.click();
  saved = votes.length;
}

const keys = { ArrowLeft: "first", ArrowRight: "second", ArrowDown: "equal" };
document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key in keys) vote(keys[event.key]);
  else if (event.key === "Backspace" && votes.length) undo();
  else return;
  event.preventDefault();
});
byId("choices").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) vote(button.dataset.choice);
});
for (const stage of document.querySelectorAll(".pair .stage")) {
  stage.addEventListener("click", () => vote(stage.dataset.side === "0" ? "first" : "second"));
}
byId("undo").addEventListener("click", undo);
byId("save").addEventListener("click", save);
addEventListener("beforeunload", (event) => { if (votes.length > saved) event.preventDefault(); });
draw();
