// Khronos' validator on every file of a folder: node validate.mjs FILES
import { readFileSync, readdirSync } from "fs";
import { join } from "path";
import validator from "gltf-validator";

const folder = process.argv[2];
const found = {};
for (const name of readdirSync(folder).filter((each) => /\.(glb|vrma?)$/.test(each)).sort()) {
  const report = await validator.validateBytes(new Uint8Array(readFileSync(join(folder, name))));
  const { numErrors, numWarnings, messages } = report.issues;
  found[name] = { errors: numErrors, warnings: numWarnings, codes: messages.map((each) => each.code) };
}
console.log(JSON.stringify({ version: validator.version(), files: found }, null, 2));
