/** Finds out whether this process belongs to an MPI job, from the environment that mpirun and srun set. */

import { fstatSync } from "node:fs";
import { SenetError } from "../errors.ts";
import { alone } from "../ranks.ts";
import type { Job } from "./job.ts";
import type { Flavour } from "./library.node.ts";
import { processorsOf } from "./processors.node.ts";

export interface Launch {
  readonly count: number;
  /** The kind of MPI library that it needs. */
  readonly flavour: Flavour;
  /** Name of the launcher, for messages. */
  readonly launcher: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** How the process was launched; `undefined` if not by an MPI launcher. */
export function launchOf(environment: Environment = process.env): Launch | undefined {
  const number = (name: string) => {
    const value = Number.parseInt(environment[name] ?? "", 10);
    return value >= 1 ? value : undefined;
  };
  const open = number("OMPI_COMM_WORLD_SIZE");
  if (open !== undefined) return { count: open, flavour: "Open MPI", launcher: "Open MPI's mpirun" };
  const slurm = number("SLURM_STEP_NUM_TASKS") ?? number("SLURM_NTASKS");
  // srun --mpi=pmix is for Open MPI, --mpi=pmi2 for MPICH.
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
 * The job of this process, opened on the first call; without a job, nothing is loaded. A library can only be
 * initialised once per process, so later calls return the same job.
 *
 * `close` ends a job that all ranks have completed; `abort` ends all ranks if one cannot continue, since the others
 * would wait for it.
 * @throws SenetError `executor` where its library is missing, or of another kind
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
 * Checks the socket through which MPICH's launcher communicates, which processes inherit; npm and many other programs
 * close it for their children.
 * @throws SenetError `executor` where it is closed
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
