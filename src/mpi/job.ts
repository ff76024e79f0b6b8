/** The processes started by one launcher. */

import type { Ranks } from "../ranks.ts";

/** A job's ranks, with facts that the training command needs. */
export interface Job extends Ranks {
  /** Description: `2 on host a, 2 on host b, by Open MPI v4.1.4`. */
  readonly where: string;
  /** Whether this is the first remaining process on its host. */
  readonly speaks: boolean;
  /** Number of the host's processors that the launcher has assigned to no process. */
  readonly idleProcessors: number;
  /** Ends this process's part, after all communication. */
  close(): Promise<void>;
  /** Ends all processes of the job. */
  abort(code: number): never;
}
