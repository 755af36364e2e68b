// The report: filters, the leaderboard's order, the viewer and the grid of a sweep.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const items = new Map(data.items.map((item) => [item.id, item]));
const tiles = document.querySelector(".tiles");
const thumb = (id) => document.getElementById(id).querySelector("img");
const score = (value) => (value === null ? "–" : value.toFixed(3));

// --- Filters -------------------------------------------------------------------------------------

const filters = document.getElementById("filters");
const order = data.items.map((item) => item.id);
const orders = {
  run: (a, b) => order.indexOf(a.id) - order.indexOf(b.id),
  score: (a, b) => (b.after ?? -2) - (a.after ?? -2),
  gain: (a, b) => gain(b) - gain(a),
  prompt: (a, b) => a.prompt.localeCompare(b.prompt),
};
const gain = (item) => (item.after === null || item.before === null ? -9 : item.after - item.before);

function passes(item) {
  const text = filters.text.value.trim().toLowerCase();
  const least = Number(filters.least.value);
  return item.prompt.toLowerCase().includes(text) &&
    (!filters.task || !filters.task.value || item.task === filters.task.value) &&
    (least < 0 || (item.after ?? -2) >= least);
}

/** The ids of the results that pass the filters, in the chosen order. */
function visible() {
  return data.items.filter(passes).sort(orders[filters.sort.value]).map((item) => item.id);
}

function filter() {
  filters.shown.value = filters.least.value < 0 ? "any" : Number(filters.least.value).toFixed(2);
  const ids = visible();
  for (const id of order) document.getElementById(id).hidden = true;
  for (const id of ids) {
    const tile = document.getElementById(id);
    tile.hidden = false;
    tiles.append(tile);
  }
  for (const row of document.querySelectorAll("tr[data-item]")) row.hidden = !ids.includes(row.dataset.item);
  const runs = new Set(ids.map((id) => items.get(id).run));
  const all = ids.length === order.length;
  for (const card of document.querySelectorAll("[data-run]")) card.hidden = !all && !runs.has(card.dataset.run);
  document.getElementById("empty").hidden = ids.length > 0;
}

const scores = data.items.map((item) => item.after).filter((value) => value !== null);
if (scores.length) {
  filters.least.max = Math.ceil(Math.max(...scores) * 100) / 100;
} else {
  filters.least.parentElement.hidden = true;
}
filters.addEventListener("input", filter);
filters.addEventListener("submit", (event) => event.preventDefault());

// --- Leaderboard ---------------------------------------------------------------------------------

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.querySelectorAll("thead th")];
  heads.forEach((head, column) => {
    if (!head.textContent) return;
    const isText = head.dataset.kind === "text";
    if (!isText) head.classList.add("number");
    const button = make("button", { type: "button" }, head.textContent);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") === (isText ? null : "descending") || head.getAttribute("aria-sort") === "descending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const value = (row) => row.children[column].dataset.value;
      const compare = isText ? (a, b) => value(a).localeCompare(value(b))
        : (a, b) => (value(a) === "" ? -Infinity : Number(value(a))) - (value(b) === "" ? -Infinity : Number(value(b)));
      const rows = [...table.tBodies[0].rows].sort((a, b) => (up ? compare(a, b) : compare(b, a)) || 0);
      table.tBodies[0].append(...rows);
    });
  });
  for (const button of table.querySelectorAll(".open")) {
    const id = button.closest("tr").dataset.item;
    button.append(make("img", { src: thumb(id).src, alt: "" }));
    button.addEventListener("click", () => open(id));
  }
}

// --- Viewer --------------------------------------------------------------------------------------

const viewer = document.getElementById("viewer");
const stage = viewer.querySelector(".stage");
const command = viewer.querySelector(".command input");
let current = null;

function open(id) {
  const item = items.get(id);
  current = id;
  const ids = visible();
  viewer.querySelector("h2").textContent = item.prompt;
  viewer.querySelector(".position").textContent = ids.includes(id) ? `${ids.indexOf(id) + 1} of ${ids.length}` : "";
  const tabs = item.files.map((file) => {
    const tab = make("button", { type: "button", role: "tab", class: document.getElementById(file.id || " ") ? "" : "left-out" }, file.title);
    tab.addEventListener("click", () => select(tab, file, id));
    return tab;
  });
  viewer.querySelector(".tabs").replaceChildren(...tabs);
  const facts = {
    score: score(item.after),
    "at the start": score(item.before),
    task: item.task,
    seed: item.seed,
    ...item.values,
    folder: item.folder,
  };
  viewer.querySelector("dl").replaceChildren(...Object.entries(facts).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, String(value))]));
  viewer.querySelector(".notes").replaceChildren(...item.notes.map((note) => make("li", {}, note)));
  command.value = item.command;
  if (!viewer.open) viewer.showModal();
  const first = Math.max(0, item.files.findIndex((file) => document.getElementById(file.id || " ")));
  if (tabs.length) select(tabs[first], item.files[first], id);
  else show(stage, null, thumb(id)?.src);
}

function select(tab, file, id) {
  for (const other of viewer.querySelectorAll(".tabs button")) other.setAttribute("aria-selected", String(other === tab));
  show(stage, file, thumb(id)?.src);
}

function go(step) {
  const ids = visible();
  const at = ids.indexOf(current);
  if (ids.length) open(ids[(at + step + ids.length) % ids.length]);
}

viewer.addEventListener("keydown", (event) => {
  const inside = event.target.closest?.("model-viewer, video, .slider, input");
  if (event.key === "ArrowRight" && !inside) go(1);
  else if (event.key === "ArrowLeft" && !inside) go(-1);
});
viewer.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.go) go(Number(button.dataset.go));
  if ("close" in button.dataset) viewer.close();
  if ("copy" in button.dataset) copy(button);
});
viewer.addEventListener("close", () => stage.replaceChildren());

async function copy(button) {
  command.select();
  try {
    await navigator.clipboard.writeText(command.value);
  } catch {
    document.execCommand("copy"); // pages from the disk may have no clipboard
  }
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}

for (const tile of tiles.children) tile.addEventListener("click", () => open(tile.id));

// --- Grid of a sweep -----------------------------------------------------------------------------

const names = Object.keys(data.axes);
const most = 40; // rows and columns that are drawn at once
const cells = document.getElementById("cells");

/** Draws the table of the chosen axes; the values of all others are chosen by menus. */
function grid(x, y, fixed, rows = most) {
  const matches = (item, values) => Object.entries(values).every(([name, value]) => item.values[name] === value);
  const columns = (x ? data.axes[x] : [""]).slice(0, most);
  const all = y ? data.axes[y] : [""];
  const head = make("tr", {}, make("th", {}, [y, x].filter(Boolean).join(" \\ ")), ...columns.map((value) => make("th", {}, value)));
  const body = all.slice(0, rows).map((row) => make("tr", {}, make("th", {}, row), ...columns.map((column) => {
    const values = { ...fixed, ...(x ? { [x]: column } : {}), ...(y ? { [y]: row } : {}) };
    return make("td", {}, cell(data.items.find((item) => matches(item, values))));
  })));
  cells.replaceChildren(make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
  if (all.length > rows) {
    const more = make("button", { type: "button", class: "more" }, `show ${Math.min(most, all.length - rows)} more rows`);
    more.addEventListener("click", () => grid(x, y, fixed, rows + most));
    cells.append(more);
  }
}

function cell(item) {
  if (!item) return make("div", { class: "pending" }, "not done");
  const image = thumb(item.id);
  const button = make("button", { type: "button", class: "cell" }, image ? make("img", { src: image.src, alt: item.prompt }) : "", make("span", {}, score(item.after)));
  button.addEventListener("click", () => open(item.id));
  return button;
}

function axes() {
  const box = document.getElementById("axes");
  const byLength = names.slice(0, 2).sort((a, b) => data.axes[b].length - data.axes[a].length);
  const chosen = { columns: byLength[0], rows: byLength[1] ?? "" };
  const pages = Object.fromEntries(names.map((name) => [name, data.axes[name][0]]));
  const menu = (label, options, value, change) => {
    const select = make("select", {}, ...options.map((option) => make("option", {}, option)));
    select.value = value;
    select.addEventListener("change", () => { change(select.value); draw(); });
    return make("label", {}, label, select);
  };
  const draw = () => {
    if (chosen.rows === chosen.columns) chosen.rows = names.find((name) => name !== chosen.columns) ?? "";
    const rest = names.filter((name) => name !== chosen.columns && name !== chosen.rows);
    const menus = names.length > 1 ? [
      menu("columns", names, chosen.columns, (value) => { chosen.columns = value; }),
      menu("rows", names, chosen.rows, (value) => { chosen.rows = value; if (value === chosen.columns) chosen.columns = names.find((name) => name !== value); }),
    ] : [];
    const page = (name) => {
      const values = data.axes[name];
      const turn = (step, sign, label) => {
        const button = make("button", { type: "button", "aria-label": `${label} ${name}` }, sign);
        button.addEventListener("click", () => {
          pages[name] = values[(values.indexOf(pages[name]) + step + values.length) % values.length];
          draw();
          box.querySelector(`[aria-label="${CSS.escape(`${label} ${name}`)}"]`)?.focus();
        });
        return button;
      };
      return make("span", { class: "page" }, turn(-1, "‹", "Previous"), menu(name, values, pages[name], (value) => { pages[name] = value; }), turn(1, "›", "Next"));
    };
    box.replaceChildren(...menus, ...rest.map(page));
    grid(chosen.columns, chosen.rows, Object.fromEntries(rest.map((name) => [name, pages[name]])));
  };
  draw();
}

if (names.length) axes();
filter();
