/** A network for other programs: `node dist/examples/onnx.js runs/first/best.safetensors model.onnx`. */

import { load } from "senet/node";

const [weights = "runs/first/best.safetensors", out = "model.onnx"] = process.argv.slice(2);

await using network = await load(weights);
const { bytes, difference } = await network.exportOnnx(out);
console.log(`${out}: ${bytes} bytes; logits differ by ${difference?.toExponential(1) ?? "(not checked)"}, relative`);

// What others have to do with a picture first; it stands in the file's metadata too.
console.log(network.preprocessing);

// It is opened as any other file.
await using again = await load(out);
console.log(`${again.labels.length} classes: ${again.labels.join(", ")}`);
