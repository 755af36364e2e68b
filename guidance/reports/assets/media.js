// The files of a page: kept as base64 in inert script elements, turned into blobs when shown.
"use strict";

const viewerModule = window.ModelViewerElement;
if (viewerModule) {
  // Decoders and loaders that would come from a network; pages hold no mesh that needs one.
  for (const name of ["dracoDecoderLocation", "ktx2TranscoderLocation", "lottieLoaderLocation"]) {
    viewerModule.ModelViewerElement[name] = "";
  }
}

const urls = new Map();

/** The address of the blob of an embedded file; null if the page does not contain it. */
function blobURL(id) {
  const element = id && document.getElementById(id);
  if (!element) return null;
  if (!urls.has(id)) {
    const text = atob(element.textContent);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    urls.set(id, URL.createObjectURL(new Blob([bytes], { type: element.dataset.mime })));
  }
  return urls.get(id);
}

/** An element with attributes and children; text is never parsed as HTML. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** Shows a file on a stage: an image, a video, a mesh that turns, or a before / after slider. */
function show(stage, file, fallback) {
  stage.replaceChildren();
  const address = file && blobURL(file.id);
  if (!address) {
    if (fallback) stage.append(make("img", { src: fallback, alt: "" }));
    if (file) stage.append(make("p", { class: "absent" }, `${file.title} is not in this page: ${file.name}`));
  } else if (file.kind === "glb") {
    stage.append(make("model-viewer", {
      src: address, alt: file.title, "camera-controls": "", "interaction-prompt": "none",
      "shadow-intensity": "0.6", "environment-image": "neutral", "tone-mapping": "neutral", exposure: "0.75", "touch-action": "none",
    }));
  } else if (file.kind === "video") {
    const video = make("video", { src: address, controls: "", loop: "", playsinline: "" });
    video.muted = true;
    stage.append(video);
    video.play().catch(() => {}); // the browser may wait for a click
  } else if (file.kind === "slider") {
    stage.append(slider(blobURL(file.id + "b"), address, file.pixels));
  } else {
    stage.append(picture(address, file.title, file.pixels));
  }
}

/** An image; pixels of very small images stay sharp. */
function picture(address, alt, pixels) {
  return make("img", { src: address, alt, class: pixels && pixels <= 64 ? "pixelated" : "" });
}

function slider(before, after, pixels) {
  const range = make("input", { type: "range", min: 0, max: 100, step: 0.5, value: 50, "aria-label": "Before or after" });
  const box = make("div", { class: "slider" }, picture(before, "before", pixels), picture(after, "after", pixels),
    make("span", { class: "left" }, "before"), make("span", { class: "right" }, "after"), range);
  range.addEventListener("input", () => box.style.setProperty("--x", `${range.value}%`));
  return box;
}
