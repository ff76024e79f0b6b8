/** Writes the demo's pictures as JPEG files, in one folder per class, like any data set. */

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
  /** Side in pixels; default 96. */
  readonly size?: number;
  /** Default 0. Equal seeds give equal files. */
  readonly seed?: number;
}

export interface DemoPictures {
  /** Folder with `train/CLASS/NNN.jpg` and `val/CLASS/NNN.jpg`, for `--data`. */
  readonly folder: string;
  readonly classes: readonly string[];
  readonly trainImages: number;
  readonly valImages: number;
  /** Files that are in neither training nor validation, `held-back/CLASS-N.jpg`, sorted by class. */
  readonly heldBack: readonly string[];
}

/** This file marks a folder whose pictures we drew, so that they may be replaced. */
const marker = "drawn-by-senet-demo.txt";

const splits = ["train", "val", "held-back"] as const;

/**
 * Draws the pictures into `folder`, replacing those of an earlier call.
 * @throws SenetError `data` where the folder has other contents, so that nobody's pictures are overwritten; `io`, also
 * where sharp, which encodes too, does not load
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

  // sharp renders on its own threads; a few simultaneous calls keep them busy.
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let job = jobs[next++]; job !== undefined; job = jobs[next++]) {
      // The folders are new, so an existing file is not ours.
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

/** Draws one picture as JPEG. `keys` seed its random stream; even the compression varies a little. */
export async function renderScene(name: string, keys: readonly number[], size: number): Promise<Uint8Array> {
  const random = createRandom(...keys);
  const svg = drawScene(name, random, size);
  return sharp()(Buffer.from(svg))
    .removeAlpha()
    .jpeg({ quality: whole(random, 76, 94) })
    .toBuffer();
}

/** Claims the folder: a new or empty one, or one that we filled before, from which our pictures are removed. */
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
