/** All processes that one command has started. */

import type { Ranks } from "../ranks.ts";

/** A job's processes; with what only the command that trains needs to know. */
export interface Job extends Ranks {
  /** For people: `2 on host a, 2 on host b, by Open MPI v4.1.4`. */
  readonly where: string;
  /** Whether it is the first of its host's processes that are still there. */
  readonly speaks: boolean;
  /** How many processors of its host the launcher may use, and has left to none of the processes. */
  readonly idleProcessors: number;
  /** After the last word of all. */
  close(): Promise<void>;
  /** Ends all processes. */
  abort(code: number): never;
}
