/** Training in a page: await it or follow it event by event, while the worker computes. */

import { Training } from "../api/training.ts";
import type { TrainingConfig } from "../train/config.ts";
import type { EpochMetrics } from "../train/state.ts";
import type { NetworkReply } from "./calls.web.ts";
import type { Connection } from "./connection.web.ts";
import type { TrainingPictures, TrainOptions } from "./training-request.web.ts";

/** A run that has finished or was stopped. */
export interface Run<Network> {
  /** Has the weights that validated best, or the current ones if none did since the run was started or resumed. */
  readonly network: Network;
  /** The network's weights as a file. */
  readonly best: Blob;
  /** The current run, with everything that `resume` needs. */
  readonly last: Blob;
  readonly config: TrainingConfig;
  /** False if it was stopped. */
  readonly finished: boolean;
  /** Lowest validation top-1 error in percent; `null` if nothing was validated. */
  readonly top1Error: number | null;
  /** One row per epoch. */
  readonly history: readonly EpochMetrics[];
}

/**
 * @param connection released at the end
 * @param open creates the resulting network before that
 */
export function begun<Network>(
  connection: Connection,
  pictures: TrainingPictures,
  options: TrainOptions & { readonly network?: number },
  open: (reply: NetworkReply) => Network,
): Training<Run<Network>> {
  return new Training(async (tell, stopping) => {
    try {
      // Most pages never train.
      const { trainingRequest } = await import("./training-request.web.ts");
      const { given, made, signal, onSave } = await trainingRequest(pictures, options);
      const reply = await connection.call("train", given, {
        stop: signal === undefined ? stopping : AbortSignal.any([signal, stopping]),
        onTold: (told) => (told.kind === "saved" ? onSave?.(told.last) : tell(told)),
        transfer: made,
      });
      return { ...reply, config: reply.config as TrainingConfig, network: open(reply.network) };
    } finally {
      connection.release();
    }
  });
}
