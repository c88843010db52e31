"use strict";

const STEPS = [0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8];
const part = (name) => document.getElementById(name);
const [before, after, pair, view] = ["before", "after", "pair", "view"].map(part);

let image = null; // the file that was brought
let asked = 0; // how often a result was asked for: an answer to what is not asked any more is dropped
let zoom = 1; // CSS pixels of a pixel of the result

/** Say a sentence, in the one place where sentences are said. */
function say(sentence, isWrong = false) {
  part("said").textContent = sentence;
  part("said").classList.toggle("wrong", isWrong);
}

/** Ask the server; return the answer, or throw what it says is wrong. */
async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer; is it still running?");
  }
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({ detail: `${answer.status} ${answer.statusText}` }));
    throw new Error(problem.detail);
  }
  return answer;
}

/** Send the image to a path, for the reader that is chosen. */
function send(path) {
  const query = new URLSearchParams();
  if (part("reader").value) query.set("for", part("reader").value);
  const kind = image.type.startsWith("image/") ? image.type : "application/octet-stream";
  return ask(`${path}?${query}`, { method: "POST", body: image, headers: { "Content-Type": kind, Accept: "image/png, application/json" } });
}

/** Show an image in an element; return when it is there. */
function show(element, content) {
  if (element.src) URL.revokeObjectURL(element.src);
  element.src = URL.createObjectURL(content);
  return element.decode();
}

async function upscale() {
  const number = ++asked;
  part("result").hidden = part("readings").hidden = true;
  part("again").disabled = true;
  say("Upscaling …");
  try {
    const start = performance.now();
    const answer = await send("upscale");
    const result = await answer.blob();
    if (number !== asked) return;
    await show(after, result);
    // A browser may not know the format, such as TIFF: then there is nothing to compare with.
    const isKnown = await show(before, image).then(() => true, () => false);
    part("cut").hidden = part("line").hidden = part("compare").hidden = !isKnown;
    part("save").href = after.src;
    part("save").download = `${image.name.replace(/\.[^.]*$/, "") || "image"}-upscaled.png`;
    const notes = (answer.headers.get("Textsr-Note") || "").split(", image: ").filter(Boolean);
    part("notes").replaceChildren(...notes.map((note) => Object.assign(document.createElement("li"), { textContent: note.replace(/^image: /, "") })));
    part("result").hidden = false;
    fit();
    slide();
    const size = isKnown ? `${before.naturalWidth} × ${before.naturalHeight} became ` : "";
    say(`${size}${after.naturalWidth} × ${after.naturalHeight} pixels in ${((performance.now() - start) / 1000).toFixed(1)} s.`);
  } catch (error) {
    if (number === asked) say(error.message, true);
  } finally {
    if (number === asked) part("again").disabled = false;
  }
}

async function read() {
  const number = asked;
  part("read").disabled = true;
  say("Reading …");
  try {
    const { engine, lines } = await (await send("read")).json();
    if (number !== asked) return;
    part("readings").querySelector("h2").textContent = `What ${engine} reads`;
    part("readings").querySelector("tbody").replaceChildren(...lines.map(row));
    part("readings").hidden = false;
    const differ = lines.filter((line) => line.bicubic !== line.upscaled).length;
    say(lines.length ? `Of ${lines.length} lines, ${engine} reads ${differ} differently.` : `${engine}: no line of text was found.`);
  } catch (error) {
    if (number === asked) say(error.message, true);
  } finally {
    part("read").disabled = false;
  }
}

function row(line, number) {
  const made = document.createElement("tr");
  for (const text of [number + 1, line.bicubic || "(nothing)", line.upscaled || "(nothing)"]) {
    made.insertCell().textContent = text;
  }
  if (line.bicubic !== line.upscaled) made.cells[2].className = "differs";
  return made;
}

/** Show so many CSS pixels a pixel of the result, and keep what is in the middle there. */
function zoomTo(factor) {
  const middle = [(view.scrollLeft + view.clientWidth / 2) / zoom, (view.scrollTop + view.clientHeight / 2) / zoom];
  zoom = factor;
  pair.style.width = `${after.naturalWidth * zoom}px`;
  pair.style.height = `${after.naturalHeight * zoom}px`;
  after.classList.toggle("squares", zoom >= 2);
  view.scrollTo(middle[0] * zoom - view.clientWidth / 2, middle[1] * zoom - view.clientHeight / 2);
  part("zoom").textContent = `${Math.round(zoom * 100)} %`;
  part("smaller").disabled = zoom <= STEPS[0];
  part("larger").disabled = zoom >= STEPS.at(-1);
}

function fit() {
  zoomTo(Math.min(view.clientWidth / after.naturalWidth, (innerHeight * 0.65 - 4) / after.naturalHeight, 1));
}

function step(direction) {
  const further = direction > 0 ? STEPS.find((each) => each > zoom) : STEPS.findLast((each) => each < zoom);
  if (further) zoomTo(further);
}

/** Cut the image of before where the slider stands. */
function slide() {
  const share = part("slider").value;
  part("cut").style.clipPath = `inset(0 ${100 - share}% 0 0)`;
  part("line").style.left = `${share}%`;
}

function take(files) {
  const found = [...files].find((file) => file.type.startsWith("image/")) || files[0];
  if (!found) return;
  image = found;
  upscale();
}

async function begin() {
  const model = await (await ask("model")).json();
  part("model").textContent = `The model: ${model.name} ${model.version || ""}.`;
  const names = { people: "people", any: "any reader", rapidocr: "RapidOCR", tesseract: "Tesseract", easyocr: "EasyOCR" };
  part("reader").replaceChildren(...model.readers.map((name) => new Option(names[name] || name, name)));
  part("reader").parentElement.hidden = model.readers.length === 0;
}

part("file").addEventListener("change", () => take(part("file").files));
part("reader").addEventListener("change", () => image && upscale());
part("again").addEventListener("click", upscale);
part("read").addEventListener("click", read);
part("smaller").addEventListener("click", () => step(-1));
part("larger").addEventListener("click", () => step(1));
part("fit").addEventListener("click", fit);
part("slider").addEventListener("input", slide);
document.addEventListener("paste", (event) => take(event.clipboardData.files));
for (const kind of ["dragover", "drop"]) document.addEventListener(kind, (event) => event.preventDefault());
document.addEventListener("dragover", () => part("drop").classList.add("over"));
for (const kind of ["dragleave", "drop"]) document.addEventListener(kind, () => part("drop").classList.remove("over"));
document.addEventListener("drop", (event) => take(event.dataTransfer.files));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || part("result").hidden || event.target.matches("select")) return;
  if (event.key === "+" || event.key === "-") step(event.key === "+" ? 1 : -1);
  if (event.key === "0") fit();
});
// On the picture, the slider follows a pointer that is pressed.
pair.addEventListener("pointerdown", (event) => { if (event.pointerType === "mouse") { drag(event); event.preventDefault(); } });
pair.addEventListener("pointermove", (event) => { if (event.pointerType === "mouse" && event.buttons === 1) drag(event); });
function drag(event) {
  const place = pair.getBoundingClientRect();
  part("slider").value = ((event.clientX - place.left) / place.width) * 100;
  slide();
}
begin().catch((error) => say(error.message, true));
