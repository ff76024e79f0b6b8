/**
 * Compares pictures by their features: `node dist/examples/features.js runs/first/best.safetensors a.jpg b.jpg c.jpg`.
 */

import { load } from "senet/node";

const [weights = "runs/first/best.safetensors", ...files] = process.argv.slice(2);

await using network = await load(weights);
const features = await network.features(files);

const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
const likeness = (a: Float32Array, b: Float32Array) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));

for (const [i, file] of files.entries()) {
  const others = files
    .flatMap((other, j) => (i === j ? [] : [{ other, cosine: likeness(features[i]!, features[j]!) }]))
    .sort((a, b) => b.cosine - a.cosine);
  for (const { other, cosine } of others.slice(0, 1)) console.log(`${file}: most like ${other} (${cosine.toFixed(3)})`);
}
