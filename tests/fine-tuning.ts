/** Shared by tests of fine-tuning: a trained network, and data with other classes. */

import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type TrainOptions, train } from "../src/api/train.node.ts";
import { writeDrawnPictures } from "./drawn.ts";

export const quick = { epochs: 1, batchSize: 4, workers: 1, seed: 3 } as const;

/** Draws `data`, and `other` with two classes of other names. @returns a picture, and the run on `data` */
export async function learntBefore(folder: string, data: string, other: string) {
  const [picture] = writeDrawnPictures(data) as [string];
  writeDrawnPictures(other);
  for (const part of ["train", "val"]) {
    rmSync(join(other, part, "red"), { recursive: true });
    renameSync(join(other, part, "blue"), join(other, part, "sea"));
  }
  const recipe = { model: "se-resnet-8", imageSize: 24, interpolation: "bicubic", evaluationResize: 30 } as const;
  const source = await train(data, { ...quick, ...recipe, out: join(folder, "source") });
  return { picture, source };
}

/** Trains on `data` into a new folder, and returns the output. */
export async function tunedOn(data: string, out: string, options: TrainOptions) {
  const notes: string[] = [];
  const run = await train(data, { ...quick, ...options, out, say: (line) => notes.push(line) });
  return { run, notes };
}
