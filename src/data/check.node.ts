/** Decodes every picture once before a run, to find unusable ones at once. */

import { imagenetPreprocessing } from "../images/preprocess.ts";
import type { Dataset, Failure } from "./dataset.ts";
import { Loader, type LoadingOptions } from "./loader.node.ts";

export interface CheckOptions extends LoadingOptions {
  /** Called with the number of pictures checked so far. */
  readonly onProgress?: (done: number) => void;
}

/** The pictures that cannot be decoded, in the order of the data set. */
export async function checkPictures(
  folders: readonly Dataset[],
  { workers, signal, onFailure = () => {}, onProgress = () => {} }: CheckOptions = {},
): Promise<Failure[]> {
  const failures: Failure[] = [];
  let before = 0;
  for (const dataset of folders) {
    await using loader = new Loader({
      dataset,
      batchSize: 32,
      // Shrinks each picture to one pixel, since only decoding matters.
      transform: { kind: "evaluate", preprocessing: { ...imagenetPreprocessing, resize: 1, crop: 1 } },
      cacheBytes: 0,
      tolerant: true,
      onFailure,
      ...(workers !== undefined && { workers }),
    });
    let good = 0;
    for await (const { size } of loader.epoch(0)) {
      good += size;
      onProgress(before + good + loader.failures.length);
      if (signal?.aborted === true) return failures;
    }
    const places = new Map(dataset.samples.map(({ file }, i) => [file, i]));
    failures.push(...[...loader.failures].sort((a, b) => places.get(a.file)! - places.get(b.file)!));
    before += dataset.samples.length;
  }
  return failures;
}
