/** One training by several processes: `mpirun -np 2 node dist/examples/several-processes.js pictures runs/together`. */

import { openJob, train } from "senet/node";

const [data = "pictures", out = "runs/together"] = process.argv.slice(2);

// Where nobody has started several, it is a job of one, and no MPI library is looked for.
const job = await openJob();
try {
  // Each process says the same. A batch is that of all together, and every one learns from its part of it.
  const run = await train(data, {
    ranks: job,
    model: "se-resnet-8",
    imageSize: 16,
    epochs: 2,
    batchSize: 8,
    syncBn: true,
    executor: "reference",
    out,
  });
  // What all have, in their order: here how many pictures each could not read.
  const failures = await job.gather(Uint8Array.of(run.failures.length));
  if (job.rank === 0) {
    console.log(`${job.count} together: ${run.best}, top-1 error ${run.top1Error?.toFixed(1)} %`);
    for (const [rank, [count]] of failures.entries()) if (count! > 0) console.log(`${job.name(rank)}: ${count} unread`);
  }
  await job.close();
} catch (error) {
  // The others would wait for this one.
  console.error(`${job.name(job.rank)}: ${error instanceof Error ? error.message : error}`);
  job.abort(1);
}
