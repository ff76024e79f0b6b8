/** Classifies pictures: `node dist/examples/classify.js runs/first/best.safetensors cat.jpg dog.jpg`. */

import { readFile } from "node:fs/promises";
import { load } from "senet/node";

// Also the name of released weights ("se-resnet-50"), or a .pth, .caffemodel or .onnx file.
const [weights = "runs/first/best.safetensors", ...files] = process.argv.slice(2);

await using network = await load(weights);

// For a list of pictures the result is a list.
const results = await network.classify(files, { top: 3 });
for (const [i, predictions] of results.entries()) {
  console.log(files[i]);
  for (const { label, probability } of predictions) console.log(`  ${(100 * probability).toFixed(1)} %  ${label}`);
}

// Pictures can also be bytes, as in a server.
const [best] = await network.classify(await readFile(files[0]!));
console.log(`the first once more, from memory: ${best!.label}`);
