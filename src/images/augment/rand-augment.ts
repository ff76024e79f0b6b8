/** RandAugment (Cubuk et al., arXiv 1909.13719) as timm has it: its operations, magnitudes and its `rand-m9-mstd0.5-inc1`. */

import type { Random } from "../../random.ts";
import * as z from "../../schema.ts";
import type { Color } from "../affine.ts";
import type { Picture } from "../resize.ts";
import * as pillow from "./pillow.ts";
import { type PillowFilter, rotate, transformAffine } from "./pillow-affine.ts";
import { color, meanColor, onPixels, rate } from "./step.ts";

const operation = z.enum([
  ...["AutoContrast", "Equalize", "Invert", "Rotate", "Posterize", "Solarize", "SolarizeAdd", "Color"],
  ...["Contrast", "Brightness", "Sharpness", "ShearX", "ShearY", "TranslateXRel", "TranslateYRel"],
] as const satisfies readonly string[]);

export const randAugmentSchema = z.strictObject({
  kind: z.literal("randAugment"),
  /** From 0, little, to 10, much. */
  magnitude: z._default(z.number().check(z.gte(0), z.lte(30)), 9),
  /** Deviation of the magnitude of each operation; "uniform": it is anything from 0 to `magnitude`. */
  noise: z._default(z.union([z.number().check(z.gte(0)), z.literal("uniform")]), 0),
  /** The largest magnitude. */
  most: z._default(z.number().check(z.gt(0), z.lte(30)), 10),
  /** How many operations are drawn, each from all. */
  operations: z._default(z.int().check(z.gt(0), z.lte(30)), 2),
  /** With which probability each of them is done. */
  probability: z._default(rate, 0.5),
  /** More magnitude is always more of a change. */
  increasing: z._default(z.boolean(), false),
  /** What an operation that moves the picture leaves; by default the colour that becomes 0. */
  fill: z.optional(color),
});

export type RandAugment = z.output<typeof randAugmentSchema>;

/** What an operation may need besides its argument. */
interface Surroundings {
  readonly filter: PillowFilter;
  readonly fill: Color;
}

interface Operation {
  /** Its argument at a magnitude; 0 where it has none. */
  readonly argument: (magnitude: number, increasing: boolean, random: Random) => number;
  readonly apply: (picture: Picture, argument: number, surroundings: Surroundings) => void;
}

const eitherWay = (value: number, random: Random): number => (random.uniform() > 0.5 ? -value : value);

/** What has no argument. */
const plain = (apply: (picture: Picture) => void): Operation => ({ argument: () => 0, apply });

/** A factor of Pillow's ImageEnhance: 1 leaves the picture as it is. */
const enhancement = (apply: (picture: Picture, factor: number) => void): Operation => ({
  argument: (magnitude, increasing, random) =>
    increasing ? Math.max(0.1, 1 + eitherWay((magnitude / 10) * 0.9, random)) : (magnitude / 10) * 1.8 + 0.1,
  apply,
});

/** A map that is the identity but for one number. */
const motion = (
  most: number,
  mapOf: (amount: number, picture: Picture) => Partial<Record<"b" | "c" | "d" | "f", number>>,
): Operation => ({
  argument: (magnitude, _increasing, random) => eitherWay((magnitude / 10) * most, random),
  apply(picture, amount, { filter, fill }) {
    transformAffine(picture, { a: 1, b: 0, c: 0, d: 0, e: 1, f: 0, ...mapOf(amount, picture) }, filter, fill);
  },
});

/** By timm's names. */
export const operations: Readonly<Record<z.output<typeof operation>, Operation>> = {
  AutoContrast: plain(pillow.autoContrast),
  Equalize: plain(pillow.equalize),
  Invert: plain(pillow.invert),
  Rotate: {
    argument: (magnitude, _increasing, random) => eitherWay((magnitude / 10) * 30, random),
    apply: (picture, degrees, { filter, fill }) => rotate(picture, degrees, filter, fill),
  },
  // Of bits that are kept: 0 to 4, or, where more is to be more, 4 to 0.
  Posterize: {
    argument: (magnitude, increasing) => {
      const bits = Math.trunc((magnitude / 10) * 4);
      return increasing ? Math.max(0, 4 - bits) : Math.min(8, bits);
    },
    apply: pillow.posterize,
  },
  Solarize: {
    argument: (magnitude, increasing) => {
      const threshold = Math.min(256, Math.trunc((magnitude / 10) * 256));
      return increasing ? 256 - threshold : threshold;
    },
    apply: pillow.solarize,
  },
  SolarizeAdd: {
    argument: (magnitude) => Math.min(128, Math.trunc((magnitude / 10) * 110)),
    apply: pillow.solarizeAdd,
  },
  Color: enhancement(pillow.saturation),
  Contrast: enhancement(pillow.contrast),
  Brightness: enhancement(pillow.brightness),
  Sharpness: enhancement(pillow.sharpness),
  ShearX: motion(0.3, (amount) => ({ b: amount })),
  ShearY: motion(0.3, (amount) => ({ d: amount })),
  TranslateXRel: motion(0.45, (part, { width }) => ({ c: part * width })),
  TranslateYRel: motion(0.45, (part, { height }) => ({ f: part * height })),
};

/** One operation that was drawn. */
export interface DrawnOperation {
  readonly name: z.output<typeof operation>;
  readonly argument: number;
  readonly filter: PillowFilter;
}

/** The operations for one picture, in their order; those that are left out are not there. */
export function drawOperations(step: RandAugment, random: Random): DrawnOperation[] {
  const drawn: DrawnOperation[] = [];
  for (let i = 0; i < step.operations; i++) {
    const name = operation.options[random.below(operation.options.length)]!;
    if (random.uniform() >= step.probability) continue;
    let { magnitude } = step;
    if (step.noise === "uniform") magnitude *= random.uniform();
    else if (step.noise > 0) magnitude += step.noise * random.normal();
    magnitude = Math.max(0, Math.min(step.most, magnitude));
    const argument = operations[name].argument(magnitude, step.increasing, random);
    drawn.push({ name, argument, filter: random.below(2) === 0 ? "bilinear" : "bicubic" });
  }
  return drawn;
}

export const randAugment = onPixels({
  schema: randAugmentSchema,
  docs: "a few of Pillow's operations, drawn for each picture (Cubuk et al., arXiv 1909.13719, as in timm)",
  apply(pixels, step, { random, normalization }) {
    const fill = step.fill ?? meanColor(normalization);
    for (const { name, argument, filter } of drawOperations(step, random)) {
      operations[name].apply(pixels, argument, { filter, fill });
    }
  },
});

/** What timm's sections stand for: `m9`, `n2`, `p0.5`, `mstd0.5` (above 100: uniform), `mmax15`, `inc1`. */
const sections: Readonly<Record<string, (value: number) => Partial<RandAugment>>> = {
  m: (magnitude) => ({ magnitude }),
  n: (count) => ({ operations: count }),
  p: (probability) => ({ probability }),
  mstd: (noise) => ({ noise: noise > 100 ? "uniform" : noise }),
  mmax: (most) => ({ most }),
  inc: (value) => ({ increasing: value !== 0 }),
};

/** timm's text for RandAugment, as a step; as a schema, so that its faults are a config's. */
export const randAugmentText = z.convert(z.string(), (text, refuse): RandAugment => {
  const [name, ...parts] = text.split("-");
  const given = parts.map((part) => {
    const [, key, value] = /^([a-z]+)(\d+(?:\.\d+)?)$/.exec(part) ?? [];
    return key === undefined ? undefined : sections[key]?.(Number(value));
  });
  const wrong = given.indexOf(undefined);
  const step = randAugmentSchema.safeParse({ kind: "randAugment", ...Object.assign({}, ...given) });
  if (name === "rand" && wrong < 0 && step.success) return step.data;
  const outside = () => step.error!.issues.map(({ path, expected }) => `${path.join(".")} is ${expected}`)[0]!;
  const found = name !== "rand" ? "" : wrong >= 0 ? `, which "${parts[wrong]!}" is not` : `: ${outside()}`;
  return refuse(
    `RandAugment as in timm, such as rand-m9-mstd0.5-inc1 (parts: ${Object.keys(sections).join(", ")})${found}`,
  );
});
