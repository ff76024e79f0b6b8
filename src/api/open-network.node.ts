/** Opens the weights of a network, and chooses the engine to run them on. */

import { needsText } from "../arguments.ts";
import { type PrecisionChoice, type Selection, selectExecutor } from "../executors/select.node.ts";
import { overridden } from "../images/check-preprocessing.ts";
import type { Preprocessing } from "../images/preprocess.ts";
import { weightsFile } from "../pull/named.node.ts";
import { type PullOptions, pull } from "../pull/pull.node.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { type OpenedPaths, openPaths } from "../weights/open.node.ts";
import type { OpenOptions } from "../weights/opened.ts";

export interface LoadOptions extends Omit<OpenOptions, "isMeanSaid"> {
  /** Overrides the pre-processing that comes with the weights, key by key. */
  readonly preprocessing?: Partial<Preprocessing>;
  /** Name of the engine; default: the fastest that loads on this machine. */
  readonly executor?: string;
  readonly precision?: PrecisionChoice;
  /** Inside one operation; default: as many as this process may use. */
  readonly threads?: number;
  /** How released weights are fetched if they are not in the cache. */
  readonly pull?: PullOptions;
}

export interface OpenedNetwork extends Selection, Pick<OpenedPaths, "files"> {
  readonly checkpoint: Checkpoint;
  /** What was guessed while opening it, one line each. */
  readonly notes: readonly string[];
}

/** What `load` builds a `Network` from. @throws SenetError as `load` */
export async function openNetwork(
  weights: string | readonly string[],
  options: LoadOptions = {},
): Promise<OpenedNetwork> {
  const { preprocessing, executor: name, precision, threads: _, pull: pulling, ...opening } = options;
  const files: string[] = [];
  if (Array.isArray(weights) && weights.length === 0) needsText(weights, "weights", "one file at least");
  for (const file of [weights].flat()) files.push(await weightsFile(file, (known) => pull(known, pulling)));
  const isMeanSaid = preprocessing?.mean !== undefined;
  const { checkpoint, notes, files: read } = await openPaths(files, { ...opening, isMeanSaid });
  const wanted = overridden(checkpoint.preprocessing, preprocessing ?? {});
  const told = [...notes];
  const inEightBits = checkpoint.quantization !== undefined;
  const selection = await selectExecutor({ name, precision, inEightBits, say: (line) => told.push(line) });
  const { run: _run, ...network } = checkpoint;
  return { checkpoint: { ...network, preprocessing: wanted }, ...selection, notes: told, files: read };
}
