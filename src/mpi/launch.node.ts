/** Whether this process is one of a job's, and which: by what mpirun and srun leave in the environment. */

import { fstatSync } from "node:fs";
import { SenetError } from "../errors.ts";
import { alone } from "../ranks.ts";
import type { Job } from "./job.ts";
import type { Flavour } from "./library.node.ts";
import { processorsOf } from "./processors.node.ts";

export interface Launch {
  readonly count: number;
  /** Whose library it wants. */
  readonly flavour: Flavour;
  /** For people. */
  readonly launcher: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** `undefined` where nobody has started several processes. */
export function launchOf(environment: Environment = process.env): Launch | undefined {
  const number = (name: string) => {
    const value = Number.parseInt(environment[name] ?? "", 10);
    return value >= 1 ? value : undefined;
  };
  const open = number("OMPI_COMM_WORLD_SIZE");
  if (open !== undefined) return { count: open, flavour: "Open MPI", launcher: "Open MPI's mpirun" };
  const slurm = number("SLURM_STEP_NUM_TASKS") ?? number("SLURM_NTASKS");
  // srun --mpi=pmix, which Open MPI speaks; --mpi=pmi2, which MPICH does.
  if (environment.PMIX_RANK !== undefined && slurm !== undefined) {
    return { count: slurm, flavour: "Open MPI", launcher: "Slurm's srun" };
  }
  const hydra = number("PMI_SIZE");
  if (hydra !== undefined) return { count: hydra, flavour: "MPICH", launcher: "MPICH's mpirun" };
  if (environment.PMI_RANK !== undefined && slurm !== undefined) {
    return { count: slurm, flavour: "MPICH", launcher: "Slurm's srun" };
  }
  return undefined;
}

const noJob: Job = {
  ...alone,
  speaks: true,
  idleProcessors: 0,
  where: "",
  close: async () => {},
  abort: (code) => process.exit(code),
};

let opened: Promise<Job> | undefined;

/**
 * The job that this process is of, opened the first time; nothing is loaded where there is none. A library can be started
 * once in a process: who asks again gets the same.
 *
 * What all ranks have done is ended by `close`, and what one of them cannot go on with by `abort`, which ends all: the others
 * would wait for it.
 * @throws SenetError `executor` where its library is not there, or another's
 */
export function openJob(): Promise<Job> {
  opened ??= open();
  return opened;
}

async function open(): Promise<Job> {
  const launch = launchOf();
  if (launch === undefined || launch.count === 1) return noJob;
  requireConnection();
  const [{ loadMpi }, { World, requireCount }] = await Promise.all([
    import("./library.node.ts"),
    import("./world.node.ts"),
  ]);
  const mpi = loadMpi(launch.flavour);
  mpi.init();
  requireCount(mpi, launch.count, launch.launcher);
  return World.open(mpi, processorsOf("self"));
}

/**
 * MPICH's launcher talks to its processes by a socket that they inherit; npm, as many programs, closes it for those that it
 * starts.
 * @throws SenetError `executor` where it is not there
 */
export function requireConnection(environment: Environment = process.env): void {
  const name = "PMI_FD";
  const descriptor = environment[name];
  if (descriptor === undefined || isSocket(Number(descriptor))) return;
  throw new SenetError("executor", "this process cannot reach the launcher that has started it", {
    where: `${name}=${descriptor}`,
    expected: "the socket of MPICH's mpirun",
    found: "a program between that has closed it, as npx does",
    hint: "mpirun -np 2 node_modules/.bin/senet ..., in the place of npx senet",
  });
}

function isSocket(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isSocket();
  } catch {
    return false;
  }
}
