/** A command that the processes of an MPI job do together: one of them talks, and what ends one ends all. */

import { setTimeout as wait } from "node:timers/promises";
import { SenetError } from "../errors.ts";
import type { Job } from "../mpi/job.ts";
import { openJob } from "../mpi/launch.node.ts";
import { report } from "./faults.ts";
import { beQuiet, sayLines } from "./output.ts";

/** So long the others leave the word to rank 0, which may have met the same fault. */
const politeMs = 500;

/**
 * @param work is given the job; alone where there is none, and then it is as any other command
 * @param lastWords what else is to be said after a fault
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
    // What was asked for in vain is not to be asked for again.
    const words = error instanceof SenetError && error.code === "usage" ? undefined : lastWords();
    if (words !== undefined) sayLines(words);
    job.abort(code);
  }
}
