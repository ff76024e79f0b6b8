/** Exports a network for other programs: `node dist/examples/onnx.js runs/first/best.safetensors model.onnx`. */

import { load } from "senet/node";

const [weights = "runs/first/best.safetensors", out = "model.onnx"] = process.argv.slice(2);

await using network = await load(weights);
const { bytes, difference } = await network.exportOnnx(out);
console.log(`${out}: ${bytes} bytes; logits differ by ${difference?.toExponential(1) ?? "(not checked)"}, relative`);

// The pre-processing that other programs have to apply; it is also in the file's metadata.
console.log(network.preprocessing);

// It can be opened like any other file.
await using again = await load(out);
console.log(`${again.labels.length} classes: ${again.labels.join(", ")}`);
