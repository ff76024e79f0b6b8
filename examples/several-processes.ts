/** Trains with several processes: `mpirun -np 2 node dist/examples/several-processes.js pictures runs/together`. */

import { openJob, train } from "senet/node";

const [data = "pictures", out = "runs/together"] = process.argv.slice(2);

// Without a launcher it is a job of one process, and no MPI library is loaded.
const job = await openJob();
try {
  // Every process passes the same options. The batch is the total; each process trains on its part of it.
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
  // Collects a value from all processes in their order: here how many pictures each could not read.
  const failures = await job.gather(Uint8Array.of(run.failures.length));
  if (job.rank === 0) {
    console.log(`${job.count} together: ${run.best}, top-1 error ${run.top1Error?.toFixed(1)} %`);
    for (const [rank, [count]] of failures.entries()) if (count! > 0) console.log(`${job.name(rank)}: ${count} unread`);
  }
  await job.close();
} catch (error) {
  // Otherwise the other processes would wait for this one.
  console.error(`${job.name(job.rank)}: ${error instanceof Error ? error.message : error}`);
  job.abort(1);
}
