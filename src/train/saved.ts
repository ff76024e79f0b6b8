/** The state of a run as stored in `last.safetensors`, independent of where the file is. */

import { SenetError } from "../errors.ts";
import type { OptimizerState } from "../optim/rule.ts";
import type * as z from "../schema.ts";
import type { Tensor } from "../tensor.ts";
import type { Checkpoint, RunState, TrainedBy } from "../weights/checkpoint.ts";
import { decodeCheckpoint } from "../weights/decode-checkpoint.ts";
import { checkSound } from "../weights/sound.ts";
import type { NetworkFunction } from "../zoo/index.ts";
import { type TrainingConfig, trainingConfig } from "./config.ts";
import { divergedHint } from "./diagnose.ts";
import { type Fingerprint, fingerprintSchema } from "./fingerprint.ts";
import { type EpochMetrics, errorOf, impossible, type TrainingState, trainingStateSchema } from "./state.ts";

/** The run's part of `last.safetensors`. */
export interface SavedRun {
  readonly config: TrainingConfig;
  readonly state: TrainingState;
  /** Fingerprint of the pictures; absent in older files. */
  readonly data?: Fingerprint;
  readonly optimizer: OptimizerState;
  /** The moving average of all parameters, if the run keeps one. */
  readonly average?: ReadonlyMap<string, Tensor>;
}

/** A run with its network as trained so far. */
export type Resumable = Checkpoint & { readonly run: SavedRun };

/**
 * Decodes a run. @param path the file's path, for errors
 * @param build the function of the user's own network, if it is one
 * @throws SenetError `weights` where the bytes are damaged, hold no run, or an impossible one
 */
export function savedRunIn(bytes: Uint8Array, path: string, build?: NetworkFunction): Resumable {
  const checkpoint = decodeCheckpoint(bytes, path, build);
  const { run } = checkpoint;
  if (run === undefined) throw new SenetError("weights", "the file holds weights, not a run", { where: path });
  return { ...checkpoint, run: savedRunOf(run, path) };
}

/** Checks the run's part of a file. @throws SenetError as `savedRunIn` */
export function savedRunOf(run: RunState, path: string): SavedRun {
  const refuse = (found: string | readonly string[]): never => {
    throw new SenetError("weights", "the state of the run cannot be used", { where: path, found });
  };
  const parse = <T>(schema: z.Schema<T>, value: unknown): T => {
    const result = schema.safeParse(value);
    return result.success ? result.data : refuse(result.error.lines);
  };
  const config = trainingConfig(run.config, path);
  const state = parse(trainingStateSchema, run.state);
  const fault = impossible(state, config.epochs);
  if (fault !== undefined) refuse(fault);
  const data = run.data === undefined ? {} : { data: parse(fingerprintSchema, run.data) };
  const { optimizer, average } = run;
  if (config.modelEma !== (average !== undefined)) {
    refuse(
      average === undefined ? "no moving average, which its config has" : "a moving average, which its config has not",
    );
  }
  return { config, state, ...data, optimizer, ...(average && { average }) };
}

/** The weights that count as the run's result (the average if it keeps one), with facts about how they were trained. */
export function judgedWeights(checkpoint: Omit<Checkpoint, "run">, run: SavedRun): Omit<Checkpoint, "run"> {
  const { average: weights = checkpoint.weights } = run;
  const last = run.state.history.at(-1);
  return { ...checkpoint, weights, ...(last && { training: trainingOf(run.config, last) }) };
}

/** How the weights were trained, after the epoch `last`. */
const trainingOf = ({ recipe, seed, epochs }: TrainingConfig, last: EpochMetrics): TrainedBy => ({
  recipe,
  seed,
  epochs,
  epoch: last.epoch + 1,
  top1Error: errorOf(last),
});

/** @throws SenetError `training` where the weights are not finite numbers */
export function checkFinite({ weights }: Pick<Checkpoint, "weights">, { state, optimizer, average }: SavedRun): void {
  const where = `epoch ${state.epoch + 1}, after step ${state.step}`;
  try {
    checkSound(weights, where);
    if (average !== undefined) checkSound(average, where, (name) => `the average of ${name}`);
    for (const [slot, values] of optimizer) checkSound(values, where, (name) => `the ${slot} of ${name}`);
  } catch (cause) {
    if (!(cause instanceof SenetError)) throw cause;
    const { found } = cause.details;
    throw new SenetError("training", "the weights are no longer finite numbers; what was saved before is kept", {
      where,
      ...(found !== undefined && { found }),
      hint: divergedHint,
      cause,
    });
  }
}
