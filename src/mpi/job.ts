/** All processes that one command has started. */

import type { Ranks } from "../ranks.ts";

/** A job's processes; with what only the command that trains needs to know. */
export interface Job extends Ranks {
  /** Processes of this host that share its processors with this one, itself too. */
  readonly neighbours: number;
  close(): Promise<void>;
  /** Ends all processes. */
  abort(code: number): never;
}
