/**
 * RandAugment (Cubuk et al., arXiv 1909.13719) as in timm: its operations and magnitudes, and its notation
 * `rand-m9-mstd0.5-inc1`.
 */

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
  /** From 0 (weak) to 10 (strong). */
  magnitude: z._default(z.number().check(z.gte(0), z.lte(30)), 9),
  /** Standard deviation of each operation's magnitude; "uniform": anything from 0 to `magnitude`. */
  noise: z._default(z.union([z.number().check(z.gte(0)), z.literal("uniform")]), 0),
  /** The largest magnitude. */
  most: z._default(z.number().check(z.gt(0), z.lte(30)), 10),
  /** Number of operations drawn, each from all. */
  operations: z._default(z.int().check(z.gt(0), z.lte(30)), 2),
  /** Probability of applying each of them. */
  probability: z._default(rate, 0.5),
  /** Whether a higher magnitude is always a stronger change. */
  increasing: z._default(z.boolean(), false),
  /** Colour of uncovered areas; default: the colour that becomes 0. */
  fill: z.optional(color),
});

export type RandAugment = z.output<typeof randAugmentSchema>;

/** Context of an operation. */
interface Surroundings {
  readonly filter: PillowFilter;
  readonly fill: Color;
}

interface Operation {
  /** Its argument for a magnitude; 0 if it has none. */
  readonly argument: (magnitude: number, increasing: boolean, random: Random) => number;
  readonly apply: (picture: Picture, argument: number, surroundings: Surroundings) => void;
}

const eitherWay = (value: number, random: Random): number => (random.uniform() > 0.5 ? -value : value);

/** An operation without argument. */
const plain = (apply: (picture: Picture) => void): Operation => ({ argument: () => 0, apply });

/** An operation with a factor of Pillow's ImageEnhance, where 1 changes nothing. */
const enhancement = (apply: (picture: Picture, factor: number) => void): Operation => ({
  argument: (magnitude, increasing, random) =>
    increasing ? Math.max(0.1, 1 + eitherWay((magnitude / 10) * 0.9, random)) : (magnitude / 10) * 1.8 + 0.1,
  apply,
});

/** An affine map that differs from the identity in one number. */
const motion = (
  most: number,
  mapOf: (amount: number, picture: Picture) => Partial<Record<"b" | "c" | "d" | "f", number>>,
): Operation => ({
  argument: (magnitude, _increasing, random) => eitherWay((magnitude / 10) * most, random),
  apply(picture, amount, { filter, fill }) {
    transformAffine(picture, { a: 1, b: 0, c: 0, d: 0, e: 1, f: 0, ...mapOf(amount, picture) }, filter, fill);
  },
});

/** Operations by timm's names. */
export const operations: Readonly<Record<z.output<typeof operation>, Operation>> = {
  AutoContrast: plain(pillow.autoContrast),
  Equalize: plain(pillow.equalize),
  Invert: plain(pillow.invert),
  Rotate: {
    argument: (magnitude, _increasing, random) => eitherWay((magnitude / 10) * 30, random),
    apply: (picture, degrees, { filter, fill }) => rotate(picture, degrees, filter, fill),
  },
  // Number of bits to keep: 0 to 4, or 4 to 0 if increasing.
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

/** A drawn operation. */
export interface DrawnOperation {
  readonly name: z.output<typeof operation>;
  readonly argument: number;
  readonly filter: PillowFilter;
}

/** Draws the operations for one picture, in order; skipped ones are left out. */
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

/** Sections of timm's notation: `m9`, `n2`, `p0.5`, `mstd0.5` (above 100: uniform), `mmax15`, `inc1`. */
const sections: Readonly<Record<string, (value: number) => Partial<RandAugment>>> = {
  m: (magnitude) => ({ magnitude }),
  n: (count) => ({ operations: count }),
  p: (probability) => ({ probability }),
  mstd: (noise) => ({ noise: noise > 100 ? "uniform" : noise }),
  mmax: (most) => ({ most }),
  inc: (value) => ({ increasing: value !== 0 }),
};

/** Parses timm's notation to a step; a schema, so that its faults are reported like those of the configuration. */
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
