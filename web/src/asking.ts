/** What a network says of a picture, and why: where in it the answer comes from, and which gates it opens and closes. */

import type { Explanation, Network } from "senet/web";
import { type ComparedGates, comparedGates } from "#senet/explain/compared-gates.ts";
import { type Atlas, evenly, gateAtlas } from "./gates.ts";
import type { NewPicture, PictureClass } from "./pictures.ts";

export interface Answer {
  readonly picture: NewPicture;
  readonly explanation: Explanation;
  /** Against the means of the class that is asked about; of a class without pictures these are NaN. */
  readonly gates: readonly ComparedGates[];
  readonly atlas: Atlas | undefined;
}

export interface AnswerOptions {
  /** The class that is asked about; default: the likeliest. */
  readonly target: string | undefined;
  readonly classes: readonly PictureClass[];
  readonly before: Answer | undefined;
}

/** Pictures of each class that its mean gates are taken over. */
const perClass = 8;

export async function answerTo(
  network: Network,
  picture: NewPicture,
  { target, classes, before }: AnswerOptions,
): Promise<Answer> {
  const source = { name: picture.name, picture: picture.file };
  const explanation = await network.explain(source, { target, top: network.labels.length });
  const gates = await network.gates(source);
  const atlas =
    gates.length === 0
      ? undefined
      : await gateAtlas(network, classes, ({ pictures }) => evenly(pictures, perClass), before?.atlas);
  const compared = comparedGates(
    gates,
    {
      means:
        atlas?.blocks ??
        gates.map((block) => ({
          ...block,
          means: new Float64Array(network.labels.length * block.channels).fill(Number.NaN),
        })),
      openers: gates.map(({ channels }) => Array.from({ length: channels }, () => [])),
    },
    explanation.target.index,
  );
  return { picture, explanation, gates: compared, atlas };
}
