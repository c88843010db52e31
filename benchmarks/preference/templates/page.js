"use strict";
const { pairs, model, seed, confidence, z } = JSON.parse(document.getElementById("content").textContent);
const $ = (id) => document.getElementById(id);
const figures = [...document.querySelectorAll("#pair figure")];
const views = figures.map((figure) => figure.querySelector(".view"));
const images = figures.map((figure) => figure.querySelector("img"));
const LARGEST = 8, LARGEST_FITTED = 2; // device pixels a pixel: further on, pixels are seen, and not text

const KEPT = `textsr-preference-${seed}-${pairs.map((pair) => pair.pair).join("")}`;
let { judgement, answers } = restore() ?? begin();
let zoom = null; // device pixels a pixel; null: as many as fit
let shown = 0; // when this pair was shown, ms
let ready = false; // whether its pictures are

function begin() {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return { judgement: [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(""), answers: [] };
}

// A telephone may drop the page meanwhile. Not every browser keeps things for a file's page.
function restore() {
  try { return JSON.parse(localStorage.getItem(KEPT)); } catch { return null; }
}

function keep() {
  try { localStorage.setItem(KEPT, JSON.stringify({ judgement, answers })); } catch { /* it is not kept */ }
}

function show(id) {
  for (const part of ["start", "judging", "result"]) $(part).hidden = part !== id;
}

async function next() {
  if (answers.length === pairs.length) return conclude();
  show("judging");
  ready = false;
  const place = answers.length;
  $("place").textContent = `${place + 1} of ${pairs.length}`;
  $("bar").value = place;
  $("back").disabled = place === 0;
  // Both appear at once: neither has the advantage of being first.
  $("pair").style.visibility = "hidden";
  images.forEach((image, side) => { image.src = pairs[place].pictures[side]; });
  await Promise.all(images.map((image) => image.decode()));
  if (place !== answers.length || $("judging").hidden) return;
  layOut();
  views.forEach((view) => view.scrollTo(0, 0));
  $("pair").style.visibility = "";
  shown = performance.now();
  ready = true;
}

// Beside or above each other, as whichever lets them be larger; long lines are compared above each other.
function layOut() {
  const { naturalWidth: width, naturalHeight: height } = images[0];
  if (!width) return;
  const ratio = window.devicePixelRatio, gap = 8, caption = figures[0].querySelector("figcaption").offsetHeight;
  const across = ($("pair").clientWidth - 2 * gap) * ratio, down = ($("pair").clientHeight - 2 * gap) * ratio;
  const fits = (columns, rows) => Math.floor(Math.min(
    (across - (columns - 1) * gap * ratio) / columns / width,
    (down - ((rows - 1) * gap + rows * caption) * ratio) / rows / height));
  const beside = fits(2, 1), stacked = fits(1, 2);
  $("pair").className = stacked > beside || (stacked === beside && width > height) ? "stacked" : "beside";
  const scale = zoom ?? Math.min(Math.max(beside, stacked, 1), LARGEST_FITTED);
  for (const image of images) {
    image.style.width = `${width * scale / ratio}px`;
    image.style.imageRendering = scale > 1 ? "pixelated" : "auto";
  }
  $("fitted").textContent = `×${scale}`;
  $("smaller").disabled = scale === 1;
  $("larger").disabled = scale === LARGEST;
  return scale;
}

function resize(step) {
  if (!ready) return;
  const scale = layOut();
  zoom = step ? Math.min(Math.max(scale + step, 1), LARGEST) : null;
  layOut();
}

function answer(better) {
  if (!ready) return;
  const { pair, set, name, a } = pairs[answers.length];
  const seconds = Math.round(performance.now() - shown) / 1000;
  answers.push({ pair, set, name, a, better, seconds });
  keep();
  next();
}

function back() {
  if (!answers.length) return;
  answers.pop();
  keep();
  next();
}

function vote({ a, better }) {
  if (better === "equal") return "equal";
  return (better === "a") === (a === "model") ? "model" : "bicubic";
}

function count(answers) {
  const counts = { model: 0, bicubic: 0, equal: 0 };
  for (const answer of answers) counts[vote(answer)] += 1;
  return counts;
}

// Wilson (1927): the shares that this many of so many do not contradict.
function wilson(successes, trials) {
  const share = successes / trials, spread = z * z / trials;
  const middle = share + spread / 2, half = z * Math.sqrt(share * (1 - share) / trials + spread / trials / 4);
  return [(middle - half) / (1 + spread), (middle + half) / (1 + spread)];
}

function conclude() {
  show("result");
  $("counts").textContent = "";
  const sets = [...new Set(answers.map((answer) => answer.set))].sort();
  for (const set of [...sets, null]) {
    const { model, bicubic, equal } = count(answers.filter((answer) => set === null || answer.set === set));
    const row = $("counts").insertRow();
    const heading = document.createElement("th");
    heading.textContent = set ?? "all";
    row.append(heading);
    for (const number of [model, bicubic, equal]) row.insertCell().textContent = number;
  }
  const all = count(answers), decided = all.model + all.bicubic;
  const percent = (share) => `${Math.round(100 * share)}%`;
  if (decided) {
    const [low, high] = wilson(all.model, decided);
    const said = low > .5 ? "You prefer the model." : high < .5 ? "You prefer bicubic." :
      "That is no significant preference.";
    $("share").textContent = `Of ${decided} pairs that you decided, the model won ${percent(all.model / decided)} ` +
      `[${percent(low)}, ${percent(high)}] (Wilson interval, ${percent(confidence)}). ${said}`;
  } else {
    $("share").textContent = "You decided no pair.";
  }
  $("about").textContent = `The model is ${model.name} (${model.weights_sha256.slice(0, 8)}) at blend ${model.blend}; ` +
    `the other picture is bicubic interpolation's. Order and sides were shuffled with seed ${seed}.`;
  $("copy").value = record();
}

function record() {
  const judge = $("judge").value.trim(), finished = new Date().toISOString();
  return JSON.stringify({ judgement, judge, finished, seed, model, answers }, null, 2) + "\n";
}

function save() {
  const link = document.createElement("a");
  const name = $("judge").value.trim().replace(/[^\p{L}\p{N}]+/gu, "-") || judgement;
  link.href = URL.createObjectURL(new Blob([record()], { type: "application/json" }));
  link.download = `preference-${name}.json`;
  link.click();
}

function again() {
  ({ judgement, answers } = begin());
  keep();
  show("start");
}

const KEYS = {
  ArrowLeft: () => answer("a"), ArrowRight: () => answer("b"), ArrowDown: () => answer("equal"),
  a: () => answer("a"), b: () => answer("b"),
  "+": () => resize(1), "=": () => resize(1), "-": () => resize(-1), "0": () => resize(0), Backspace: back,
};

document.addEventListener("keydown", (event) => {
  const act = KEYS[event.key];
  if (!act || $("judging").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  if (!event.repeat) act();
});
for (const [id, act] of Object.entries({
  begin: next, a: () => answer("a"), b: () => answer("b"), equal: () => answer("equal"), back, save, again,
  smaller: () => resize(-1), larger: () => resize(1), fitted: () => resize(0),
})) $(id).addEventListener("click", act);
$("judge").addEventListener("input", () => { $("copy").value = record(); });
window.addEventListener("resize", () => { if (ready) layOut(); });
views.forEach((view, side) => view.addEventListener("scroll", () => {
  const other = views[1 - side];
  [other.scrollLeft, other.scrollTop] = [view.scrollLeft, view.scrollTop];
}));
if (answers.length) next();
