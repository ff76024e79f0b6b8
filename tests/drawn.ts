/** A small data set for tests: a few pictures of three classes, each with its own colour. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createRandom } from "../src/random.ts";

const colours = { blue: [40, 60, 200], green: [50, 180, 70], red: [210, 60, 50] } as const;

/**
 * Writes `train/CLASS/N.ppm`, `val/CLASS/N.ppm` and, of each class, one picture in `held-back/`.
 * @returns the pictures in `held-back/`
 */
export function writeDrawnPictures(folder: string, { train = 4, val = 2, size = 40 } = {}): string[] {
  return Object.entries(colours).map(([name, colour], label) => {
    for (const [part, count] of Object.entries({ train, val })) {
      mkdirSync(join(folder, part, name), { recursive: true });
      for (let i = 0; i < count; i++) draw(join(folder, part, name, `${i}.ppm`), colour, size, part.length, label, i);
    }
    mkdirSync(join(folder, "held-back"), { recursive: true });
    const file = join(folder, "held-back", `${name}.ppm`);
    draw(file, colour, size, 0, label, 0);
    return file;
  });
}

function draw(file: string, colour: readonly number[], size: number, ...keys: number[]): void {
  const random = createRandom(...keys);
  const pixels = Uint8Array.from({ length: 3 * size * size }, (_, i) => colour[i % 3]! + 40 * (random.uniform() - 0.5));
  writeFileSync(file, Buffer.concat([Buffer.from(`P6\n${size} ${size}\n255\n`), pixels]));
}
