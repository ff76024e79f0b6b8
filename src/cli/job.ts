/** Runs a command as one process of an MPI job: only rank 0 talks, and a fault in one process ends all. */

import { setTimeout as wait } from "node:timers/promises";
import { SenetError } from "../errors.ts";
import type { Job } from "../mpi/job.ts";
import { openJob } from "../mpi/launch.node.ts";
import { report } from "./faults.ts";
import { beQuiet, sayLines } from "./output.ts";

/** How long other ranks wait before they report a fault: rank 0 may report the same one. */
const politeMs = 500;

/**
 * @param work is given the job; outside a job, that of a single process
 * @param lastWords a line to add after a fault, if any
 */
export async function together(work: (job: Job) => Promise<void>, lastWords: () => string | undefined): Promise<void> {
  const job = await openJob();
  if (job.count === 1) return work(job);
  if (job.rank > 0) beQuiet();
  try {
    await work(job);
    await job.close();
  } catch (error) {
    if (job.rank > 0) await wait(politeMs);
    const code = report(error, `senet, ${job.name(job.rank)}`);
    // After a usage fault, do not suggest running the same command again.
    const words = error instanceof SenetError && error.code === "usage" ? undefined : lastWords();
    if (words !== undefined) sayLines(words);
    job.abort(code);
  }
}
