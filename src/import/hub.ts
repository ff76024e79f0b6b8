/** Reads timm's `config.json`, next to a network's weights on the Hugging Face Hub: pre-processing and labels. */

import { type ErrorDetails, SenetError } from "../errors.ts";
import { imagenetPreprocessing, type Preprocessing } from "../images/preprocess.ts";
import { asGrey } from "../images/preprocessing-facts.ts";
import * as z from "../schema.ts";
import { decodeText } from "../text-file.ts";

export interface HubConfig {
  readonly where: string;
  /** timm's name of the network. */
  readonly architecture?: string;
  readonly classes?: number;
  readonly labels?: readonly string[];
  readonly preprocessing: Preprocessing;
}

const positive = z.int().check(z.gt(0));
const names = z.union([z.array(z.string()), z.record(z.string(), z.string())]);
const perChannel = z.array(z.number()).check(z.minLength(1), z.maxLength(16));

/** The fields of timm's configuration; others are ignored. */
const pretrainedSchema = z.looseObject({
  architecture: z.nullish(z.string().check(z.maxLength(1000))),
  num_classes: z.nullish(positive),
  input_size: z.nullish(z.tuple([positive, positive, positive])),
  interpolation: z.nullish(z.string().check(z.maxLength(100))),
  crop_pct: z.nullish(z.number().check(z.gt(0), z.lte(8))),
  crop_mode: z.nullish(z.string().check(z.maxLength(100))),
  mean: z.nullish(perChannel),
  std: z.nullish(z.array(z.number().check(z.gt(0))).check(z.minLength(1), z.maxLength(16))),
  label_names: z.nullish(names),
  labels: z.nullish(names),
  /** As in transformers. */
  id2label: z.nullish(names),
  global_pool: z.nullish(z.string().check(z.maxLength(100))),
});
const configSchema = z.extend(pretrainedSchema, { pretrained_cfg: z.nullish(pretrainedSchema) });

/**
 * Reads such a file, in timm's current layout or the older one without `pretrained_cfg`. Missing values have timm's
 * defaults.
 * @returns undefined for another program's `config.json`
 * @throws SenetError `weights` where values are invalid or not supported
 */
export function readHubConfig(bytes: Uint8Array, where: string): HubConfig | undefined {
  const fail = (what: string, details: ErrorDetails): never => {
    throw new SenetError("weights", what, { where, ...details });
  };
  const text = decodeText(bytes);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    return fail("this file beside the weights is not JSON, so it is unknown what pictures they need", {
      found: text.slice(0, 60),
      hint: "repair it, or move it away",
      cause,
    });
  }
  if (!isTimms(json)) return undefined;
  const parsed = configSchema.safeParse(json);
  if (!parsed.success) {
    return fail("this file beside the weights cannot be used", { found: parsed.error.lines });
  }
  const config = parsed.data;
  const said = { ...config, ...config.pretrained_cfg };
  const pool = config.global_pool ?? said.global_pool ?? "avg";
  if (!["avg", "fast", "fastavg"].includes(pool)) {
    return fail("the features of this network are not averaged before its classifier", {
      expected: 'global_pool "avg"',
      found: JSON.stringify(pool),
    });
  }
  const architecture = config.architecture ?? said.architecture ?? undefined;
  const classes = config.num_classes ?? said.num_classes ?? undefined;
  const found = config.label_names ?? said.label_names ?? config.labels ?? said.labels ?? said.id2label;
  const labels = found == null ? undefined : listed(found);
  return {
    where,
    ...(architecture !== undefined && { architecture }),
    ...(classes !== undefined && { classes }),
    ...(labels !== undefined && { labels }),
    preprocessing: preprocessingOf(said, fail),
  };
}

const isTimms = (json: unknown): boolean =>
  typeof json === "object" &&
  json !== null &&
  ("pretrained_cfg" in json || ("architecture" in json && ("mean" in json || "num_classes" in json)));

/** Values from a list, or from an object keyed by number. */
function listed(found: z.output<typeof names>): string[] | undefined {
  if (Array.isArray(found)) return found;
  const list = Object.keys(found).map((_, i) => found[`${i}`]);
  return list.every((name) => name !== undefined) ? list : undefined;
}

type Fail = (what: string, details: ErrorDetails) => never;

function preprocessingOf(said: z.output<typeof pretrainedSchema>, fail: Fail): Preprocessing {
  const [channels, height, crop] = said.input_size ?? [3, 224, 224];
  if (height !== crop) fail("this network needs pictures that are not square", { found: `${crop} by ${height}` });
  const interpolation = said.interpolation ?? "bicubic";
  if (interpolation !== "bilinear" && interpolation !== "bicubic") {
    return fail("this network needs an interpolation that is not supported here", {
      expected: "bilinear or bicubic",
      found: JSON.stringify(interpolation),
      hint: "write the nearest of the two into the file; answers will differ a little",
    });
  }
  const mode = said.crop_mode ?? "center";
  if (mode !== "center" && mode !== "squash") {
    return fail("this network needs its pictures fitted in a way that is not supported here", {
      expected: 'crop_mode "center" or "squash"',
      found: JSON.stringify(mode),
      hint: 'with pictures that are square already, "center" is the same: write it into the file',
    });
  }
  // Rounded as in timm.
  const side = Math.floor(crop / (said.crop_pct ?? 0.875));
  const spec: Preprocessing = {
    channels: "rgb",
    scale: 255,
    mean: triple(said.mean, imagenetPreprocessing.mean, fail),
    std: triple(said.std, imagenetPreprocessing.std, fail),
    resize: mode === "squash" ? [side, side] : side,
    crop,
    interpolation,
  };
  return channels === 1 ? asGrey(spec) : spec;
}

type Triple = readonly [number, number, number];

function triple(said: readonly number[] | null | undefined, usual: Triple, fail: Fail): Triple {
  if (said == null) return usual;
  const [first, second = first, third = first] = said;
  if (first !== undefined && (said.length === 1 || said.length === 3)) return [first, second!, third!];
  return fail("there are not as many means and deviations as channels", { found: JSON.stringify(said) });
}
