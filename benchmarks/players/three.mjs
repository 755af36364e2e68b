// Plays the GLB files of a folder in three.js: node three.mjs FILES SHOTS
// Serves the folder and node_modules, opens headless Chromium, and collects what the page measures.
import { createServer } from "http";
import { mkdirSync, readFileSync, writeFileSync } from "fs";
import { extname, join } from "path";
import { spawn } from "child_process";
import { mkdtempSync } from "fs";
import { tmpdir } from "os";

const [folder, shots] = process.argv.slice(2);
mkdirSync(shots, { recursive: true });
const expected = JSON.parse(readFileSync(join(folder, "expected.json")));
const page = `<!doctype html><body style="margin:0"><script type="importmap">{"imports": {
  "three": "/modules/three/build/three.module.js", "three/addons/": "/modules/three/examples/jsm/",
  "@pixiv/three-vrm": "/modules/@pixiv/three-vrm/lib/three-vrm.module.js",
  "@pixiv/three-vrm-animation": "/modules/@pixiv/three-vrm-animation/lib/three-vrm-animation.module.js"
}}</script><script type="module">
import * as THREE from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import { VRMLoaderPlugin } from "@pixiv/three-vrm";
import { VRMAnimationLoaderPlugin, createVRMAnimationClip } from "@pixiv/three-vrm-animation";
const expected = ${JSON.stringify(expected)};
const renderer = new THREE.WebGLRenderer({ antialias: true, preserveDrawingBuffer: true });
renderer.setSize(480, 560); document.body.append(renderer.domElement);
function scene(object) {
  const scene = new THREE.Scene(); scene.background = new THREE.Color(0xffffff); scene.add(object);
  scene.add(new THREE.HemisphereLight(0xffffff, 0x888888, 2));
  const sun = new THREE.DirectionalLight(0xffffff, 2); sun.position.set(1, 2, 3); scene.add(sun);
  return scene;
}
async function shoot(name, object) {
  const camera = new THREE.PerspectiveCamera(35, 480 / 560, 0.1, 50);
  camera.position.set(1.4, 1.3, 3.2); camera.lookAt(0, 0.9, 0);
  renderer.render(scene(object), camera);
  await fetch("/shot/" + name, { method: "POST", body: renderer.domElement.toDataURL("image/png") });
}
const loader = new GLTFLoader();
const result = {};
try {
  for (const name of Object.keys(expected.joints)) {
    const gltf = await loader.loadAsync("/files/" + name + ".glb");
    const mixer = new THREE.AnimationMixer(gltf.scene);
    const action = mixer.clipAction(gltf.animations[0]);
    action.setLoop(THREE.LoopOnce); action.clampWhenFinished = true; action.play();
    let worst = 0, count = 0;
    for (const [index, time] of expected.times.entries()) {
      mixer.setTime(time); gltf.scene.updateMatrixWorld(true);
      for (const [joint, places] of Object.entries(expected.joints[name])) {
        const node = gltf.scene.getObjectByName(THREE.PropertyBinding.sanitizeNodeName(joint));
        const at = node.getWorldPosition(new THREE.Vector3());
        worst = Math.max(worst, at.distanceTo(new THREE.Vector3(...places[index]))); count += 1;
      }
      if (time !== 0.5) await shoot(name + "_" + time.toFixed(0), gltf.scene);
    }
    result[name] = { joints_max_mm: +(worst * 1000).toFixed(4), compared: count };
    const avatars = new GLTFLoader(); avatars.register((parser) => new VRMLoaderPlugin(parser));
    const vrm = (await avatars.loadAsync("/files/" + name + ".vrm")).userData.vrm;
    const clips = new GLTFLoader(); clips.register((parser) => new VRMAnimationLoaderPlugin(parser));
    const animation = (await clips.loadAsync("/files/cc0.vrma")).userData.vrmAnimations[0];
    const player = new THREE.AnimationMixer(vrm.scene);
    const played = player.clipAction(createVRMAnimationClip(animation, vrm));
    played.setLoop(THREE.LoopOnce); played.clampWhenFinished = true; played.play();
    player.setTime(1.0); vrm.update(0);
    result[name].vrm_bones = Object.values(vrm.humanoid.humanBones).filter(Boolean).length;
    await shoot(name + "_vrm", vrm.scene);
  }
} catch (error) { result.error = String(error.stack || error); }
await fetch("/done", { method: "POST", body: JSON.stringify(result) });
</script>`;
const types = { ".js": "text/javascript", ".mjs": "text/javascript" };
let browser;
const server = createServer((request, response) => {
  const url = decodeURIComponent(request.url);
  if (request.method === "POST") {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      const body = Buffer.concat(parts).toString();
      response.end();
      if (url === "/done") {
        console.log(JSON.stringify(JSON.parse(body), null, 2));
        browser.kill(); server.closeAllConnections(); server.close();
      } else {
        const name = url.replace("/shot/", "");
        writeFileSync(join(shots, `three_${name}.png`), Buffer.from(body.split(",")[1], "base64"));
      }
    });
    return;
  }
  const root = url.startsWith("/modules/") ? "node_modules" : folder;
  try {
    const file = url === "/" ? null : join(root, url.replace(/^\/(modules|files)\//, ""));
    response.setHeader("Content-Type", file ? types[extname(file)] || "application/octet-stream" : "text/html");
    response.end(file ? readFileSync(file) : page);
  } catch { response.statusCode = 404; response.end(); }
}).listen(0, "127.0.0.1", () => {
  const address = `http://127.0.0.1:${server.address().port}/`;
  const profile = mkdtempSync(join(tmpdir(), "players-"));
  browser = spawn("chromium", ["--headless", "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader", `--user-data-dir=${profile}`, address], { stdio: "ignore" });
  setTimeout(() => { console.error("no answer in 180 s"); browser.kill(); process.exit(1); }, 180000).unref();
});
