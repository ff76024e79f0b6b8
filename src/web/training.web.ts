/** Training in a page: awaited, or followed event by event, while the worker computes. */

import { Training } from "../api/training.ts";
import type { TrainingConfig } from "../train/config.ts";
import type { EpochMetrics } from "../train/state.ts";
import type { NetworkReply } from "./calls.web.ts";
import type { Connection } from "./connection.web.ts";
import type { TrainingPictures, TrainOptions } from "./training-request.web.ts";

/** A run that has come to its end, or was stopped. */
export interface Run<Network> {
  /** With the weights that validated best; with those of now where none did since the run was begun or resumed. */
  readonly network: Network;
  /** Its weights as a file. */
  readonly best: Blob;
  /** The run as it is now, with all that `resume` wants. */
  readonly last: Blob;
  readonly config: TrainingConfig;
  /** False where it was stopped. */
  readonly finished: boolean;
  /** Lowest top-1 error in percent; `null` where nothing was validated. */
  readonly top1Error: number | null;
  /** A row for each epoch. */
  readonly history: readonly EpochMetrics[];
}

/**
 * @param connection is let go of in the end
 * @param open makes the network that came out, before that
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
