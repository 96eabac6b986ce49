// Run an export by onnxruntime-web in Node: raw RGBA in, raw RGBA out.
//
//   npm install onnxruntime-web@1.30.0
//   node check.mjs model.onnx HEIGHT WIDTH picture.rgba drawn.rgba

import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { segment } from "./segment.mjs";

const [model, height, width, picture, drawn] = process.argv.slice(2);
// Found from the working folder, where `npm install` has put it.
const find = createRequire(pathToFileURL(`${process.cwd()}/`));
const ort = await import(pathToFileURL(find.resolve("onnxruntime-web")));
const session = await ort.InferenceSession.create(await readFile(model));
const rgba = new Uint8ClampedArray(await readFile(picture));
await segment(ort, session, rgba, +height, +width); // Compiles.
const start = process.cpuUsage();
const found = await segment(ort, session, rgba, +height, +width);
const { user, system } = process.cpuUsage(start);
console.log(`${height}x${width}: ${Math.round((user + system) / 1000)} ms of the processor`);
await writeFile(drawn, found);
