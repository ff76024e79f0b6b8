/** Trains on a folder of pictures and reports progress: `node dist/examples/train.js pictures runs/first`. */

import { train } from "senet/node";

const [data = "pictures", out = "runs/first"] = process.argv.slice(2);

// Ctrl-C stops the run after the current step and saves it; `resume: true` continues it.
const stop = new AbortController();
process.once("SIGINT", () => stop.abort());

const run = train(data, {
  model: "se-resnet-20",
  epochs: 2,
  batchSize: 6,
  optimizer: "adamw",
  out,
  signal: stop.signal,
});

for await (const event of run) {
  if (event.kind === "start") console.log(`${event.trainImages} pictures of ${event.classes} classes`);
  if (event.kind === "step") console.log(`step ${event.step} of ${event.steps}: loss ${event.loss.toFixed(3)}`);
  if (event.kind === "epoch") console.log(`epoch ${event.epoch + 1}: ${event.validationTop1Error.toFixed(1)} % wrong`);
}

const { best, top1Error, finished } = await run;
console.log(`${finished ? "done" : "stopped"}: ${best}, top-1 error ${top1Error?.toFixed(1)} %`);
