/** The worker's call for training. */

import type { Checkpoint } from "../weights/checkpoint.ts";
import type { TrainReply } from "./calls.web.ts";
import type { Hosted, HostedFacts } from "./hosted.web.ts";
import type { Call } from "./serve.web.ts";
import { type TabRunOptions, tabRun } from "./tab-run.web.ts";

export { positionOf } from "./tab-run.web.ts";

/** The result, not yet registered in the worker. */
export interface Trained extends Omit<TrainReply, "network" | "best"> {
  readonly best: Omit<Checkpoint, "run">;
  readonly facts: HostedFacts;
}

/** @param source the network that is trained further */
export async function trained(
  { given, signal, tell }: Call<"train">,
  source: Hosted | undefined,
  engineFor: TabRunOptions["engineFor"],
): Promise<Trained> {
  const { network: _, engine: __, threads: ___, runtime: ____, hasSaves, ...rest } = given;
  const result = await tabRun({
    ...rest,
    signal,
    tell,
    source: source && { ...source.checkpoint, from: source.facts.file },
    engineFor: async (checkpoint) => source?.facts.engine ?? engineFor(checkpoint),
    onSave: hasSaves ? (last) => tell({ kind: "saved", last }) : undefined,
  });
  const { config, state, finished, best, last, engine } = result;
  const { history, bestTop1Error: top1Error } = state;
  return {
    config,
    finished,
    top1Error,
    history,
    last,
    best,
    facts: {
      engine,
      last,
      notes: [],
      format: "safetensors",
      file: "best.safetensors",
      run: { config, history, finished },
    },
  };
}
