/** Heat maps for the network's answers, as small pictures for pages. */

import { type Sample, sourceOf } from "../data/dataset.ts";
import { SourceReader } from "../data/source.node.ts";
import { SenetError } from "../errors.ts";
import type { Executor } from "../executors/executor.ts";
import { Explainer } from "../explain/explainer.ts";
import { overlaid } from "../explain/heat.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { thumbnailOf } from "./thumbnails.node.ts";

export interface Answered {
  readonly sample: Sample;
  /** Index of the network's top class. */
  readonly answer: number;
}

/** A picture with its heat map, and the network's answer. */
export interface ExplainedAnswer {
  /** A JPEG file in base64. */
  readonly map: string;
  /** The three likeliest classes. */
  readonly top: readonly { readonly index: number; readonly probability: number }[];
}

/**
 * Grad-CAM of each sample, by its `file`; empty if the network cannot be explained or there is no sharp to encode maps,
 * without pictures that no longer exist.
 */
export async function explained(
  answered: readonly Answered[],
  checkpoint: Checkpoint,
  executor: Executor,
): Promise<ReadonlyMap<string, ExplainedAnswer>> {
  const maps = new Map<string, ExplainedAnswer>();
  if (answered.length === 0) return maps;
  const explainer = await unless(["usage"], () => Explainer.create(checkpoint, executor));
  if (explainer === undefined) return maps;
  const reader = new SourceReader();
  try {
    for (const { sample, answer } of answered) {
      await unless(["data", "io"], async () => {
        const picture = await (await reader.open(sourceOf(sample))).decode();
        const { input, heat, predictions } = await explainer.explain(picture, { target: answer, top: 3 });
        maps.set(sample.file, { map: await thumbnailOf(overlaid(input, heat)), top: predictions });
      });
    }
    return maps;
  } finally {
    reader.close();
    await explainer.dispose();
  }
}

/** Ignores faults with these codes, so that the report is written without the part; other faults are thrown. */
async function unless<T>(codes: readonly SenetError["code"][], work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SenetError && codes.includes(error.code)) return undefined;
    throw error;
  }
}
