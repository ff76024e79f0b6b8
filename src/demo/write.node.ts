/** Writes the demo's pictures as JPEG files, a folder per class, as any data set of one's own would lie there. */

import { existsSync } from "node:fs";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SenetError } from "../errors.ts";
import { codeOf, makeFoldersSync, writeError } from "../files/files.node.ts";
import { replaceFile } from "../files/replace.node.ts";
import { requireDecoder } from "../images/decode.node.ts";
import { sharp } from "../images/sharp.node.ts";
import { createRandom } from "../random.ts";
import { whole } from "./brush.ts";
import { classNames, drawScene } from "./draw.ts";

export interface DemoOptions {
  /** Pictures of each class in `train/`; default 120. */
  readonly trainPerClass?: number;
  /** Pictures of each class in `val/`; default 30. */
  readonly valPerClass?: number;
  /** Pictures of each class in `held-back/`; default 1. */
  readonly heldBackPerClass?: number;
  /** Pixels of a side; default 96. */
  readonly size?: number;
  /** Default 0. Equal seeds give equal files. */
  readonly seed?: number;
}

export interface DemoPictures {
  /** Holds `train/CLASS/NNN.jpg` and `val/CLASS/NNN.jpg`: what `--data` takes. */
  readonly folder: string;
  readonly classes: readonly string[];
  readonly trainImages: number;
  readonly valImages: number;
  /** Files that neither training nor validation sees, `held-back/CLASS-N.jpg`, one class after the other. */
  readonly heldBack: readonly string[];
}

/** This file says that the folder's pictures were drawn by us, so that they may be drawn again. */
const marker = "drawn-by-senet-demo.txt";

const splits = ["train", "val", "held-back"] as const;

/**
 * Draws the pictures into `folder`. A folder that an earlier call filled is drawn anew.
 * @throws SenetError `data` where the folder holds anything else: nobody's own pictures are overwritten; `io`, also where
 * sharp, which encodes too, does not load
 */
export async function writeDemoPictures(folder: string, options: DemoOptions = {}): Promise<DemoPictures> {
  try {
    return await writePictures(folder, options);
  } catch (cause) {
    if (cause instanceof SenetError || codeOf(cause) === "") throw cause;
    throw writeError("the demo's pictures cannot be written", folder, cause);
  }
}

async function writePictures(folder: string, options: DemoOptions): Promise<DemoPictures> {
  const { trainPerClass = 120, valPerClass = 30, heldBackPerClass = 1, size = 96, seed = 0 } = options;
  requireDecoder();
  await claim(folder);

  const jobs: { readonly file: string; readonly name: string; readonly keys: readonly number[] }[] = [];
  const counts = [trainPerClass, valPerClass, heldBackPerClass];
  for (const [s, split] of splits.entries()) {
    for (const [label, name] of classNames.entries()) {
      const parent = split === "held-back" ? join(folder, split) : join(folder, split, name);
      makeFoldersSync(parent);
      for (let i = 0; i < counts[s]!; i++) {
        const number = String(i + 1);
        const file = split === "held-back" ? `${name}-${number}.jpg` : `${number.padStart(3, "0")}.jpg`;
        jobs.push({ file: join(parent, file), name, keys: [seed, s, label, i] });
      }
    }
  }

  // sharp renders on threads of its own; a few in flight keep them busy.
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let job = jobs[next++]; job !== undefined; job = jobs[next++]) {
      // The folders are new: what is there already is not ours.
      await writeFile(job.file, await renderScene(job.name, job.keys, size), { flag: "wx" });
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));

  return {
    folder,
    classes: classNames,
    trainImages: trainPerClass * classNames.length,
    valImages: valPerClass * classNames.length,
    heldBack: jobs.slice(jobs.length - heldBackPerClass * classNames.length).map((job) => job.file),
  };
}

/** One picture as JPEG. `keys` seed its chance; even the compression varies a little. */
export async function renderScene(name: string, keys: readonly number[], size: number): Promise<Uint8Array> {
  const random = createRandom(...keys);
  const svg = drawScene(name, random, size);
  return sharp()(Buffer.from(svg))
    .removeAlpha()
    .jpeg({ quality: whole(random, 76, 94) })
    .toBuffer();
}

/** Makes the folder ours: a new or empty one, or one that we filled before, which is emptied of our pictures. */
async function claim(folder: string): Promise<void> {
  makeFoldersSync(folder);
  if (existsSync(join(folder, marker))) {
    for (const split of splits) await rm(join(folder, split), { recursive: true, force: true });
  } else {
    const present = await readdir(folder);
    if (present.length > 0) {
      throw new SenetError("data", "the folder for the demo's pictures is not empty", {
        where: folder,
        expected: "a new or empty folder, or one that an earlier demo filled",
        found: present.slice(0, 3).join(", ") + (present.length > 3 ? `, and ${present.length - 3} more` : ""),
        hint: "name another folder",
      });
    }
  }
  await replaceFile(join(folder, marker), [
    "The pictures in this folder were drawn by `senet demo`, which may draw them again.\n",
  ]);
}
