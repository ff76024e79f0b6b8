/**
 * The network's answer for a picture and its explanation: the regions behind it, and the gates that it opens and
 * closes.
 */

import type { Explanation, Network } from "senet/web";
import { type ComparedGates, comparedGates } from "#senet/explain/compared-gates.ts";
import { type Atlas, evenly, gateAtlas } from "./gates.ts";
import type { NewPicture, PictureClass } from "./pictures.ts";

export interface Answer {
  readonly picture: NewPicture;
  readonly explanation: Explanation;
  /** Compared with the means of the target class; NaN for a class without pictures. */
  readonly gates: readonly ComparedGates[];
  readonly atlas: Atlas | undefined;
}

export interface AnswerOptions {
  /** The class to explain; default: the most likely one. */
  readonly target: string | undefined;
  readonly classes: readonly PictureClass[];
  readonly before: Answer | undefined;
}

/** Pictures per class for its mean gates. */
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
