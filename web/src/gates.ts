/** The mean gates of each class, over the user's pictures. */

import type { GatePlace, Network } from "senet/web";
import { unlessUndecodable } from "./decodable.ts";
import { labelOf } from "./measuring.ts";
import type { OwnPicture, PictureClass } from "./pictures.ts";

export interface ClassGates extends GatePlace {
  /** `[classes, channels]`; NaN in the row of a class without pictures. */
  readonly means: Float64Array;
}

export interface Atlas {
  readonly network: Network;
  /** Identifies the pictures that it was computed from. */
  readonly mark: string;
  readonly blocks: readonly ClassGates[];
}

/**
 * @param of selects the pictures of a class to use
 * @param before an earlier result, which is returned if nothing has changed
 * @returns `undefined` for a network without gates or with none of the classes
 */
export async function gateAtlas(
  network: Network,
  classes: readonly PictureClass[],
  of: (group: PictureClass) => readonly OwnPicture[],
  before?: Atlas,
): Promise<Atlas | undefined> {
  const known = classes.flatMap((group) => {
    const label = labelOf(group.name, network.labels);
    const pictures = of(group);
    return label === undefined || pictures.length === 0 ? [] : [{ label, pictures }];
  });
  const mark = known.map(({ label, pictures }) => `${label}:${pictures.map(({ id }) => id).join()}`).join(" ");
  if (before?.network === network && before.mark === mark) return before;
  const count = network.labels.length;
  const blocks: ClassGates[] = [];
  for (const { label, pictures } of known) {
    let seen = 0;
    for (const { name, file } of pictures) {
      const found = await unlessUndecodable(() => network.gates({ name, picture: file }));
      if (found === undefined) continue;
      seen++;
      found.forEach(({ gates, ...place }, i) => {
        const { channels } = place;
        blocks[i] ??= { ...place, means: new Float64Array(count * channels).fill(Number.NaN) };
        const row = blocks[i].means.subarray(label * channels, (label + 1) * channels);
        gates.forEach((gate, c) => {
          row[c] = seen === 1 ? gate : row[c]! + (gate - row[c]!) / seen;
        });
      });
    }
  }
  return blocks.length === 0 ? undefined : { network, mark, blocks };
}

/** At most this many elements of a list, evenly spread. */
export const evenly = <T>(list: readonly T[], most: number): readonly T[] =>
  list.length <= most ? list : Array.from({ length: most }, (_, i) => list[Math.floor((i * list.length) / most)]!);
