/** Explains a network's answers: what in a picture speaks for a class. */

import { asyncDispose } from "../disposal.ts";
import { SenetError } from "../errors.ts";
import { checkChannels } from "../evaluate/channels.ts";
import { checkTop, type Prediction, predictionsOf } from "../evaluate/classify.ts";
import {
  type Decode,
  inputOf,
  nameOf,
  type PictureData,
  type PictureOptions,
  pixelsOf,
} from "../evaluate/picture-input.ts";
import type { Executor } from "../executors/executor.ts";
import { Uses } from "../executors/uses.ts";
import { type Region, seenRegion } from "../images/region.ts";
import type { Picture } from "../images/resize.ts";
import { shownInput } from "../images/shown.ts";
import { nearestNames } from "../names.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { requireFloat32 } from "../weights/program.ts";
import { gradCam } from "./grad-cam.ts";
import type { Heat } from "./heat.ts";
import { integratedGradients } from "./integrated-gradients.ts";
import type { CreateMethod, Method, MethodOptions } from "./method.ts";
import { occlusion } from "./occlusion.ts";

const table = {
  "grad-cam": gradCam,
  "integrated-gradients": integratedGradients,
  occlusion,
} as const satisfies Readonly<Record<string, CreateMethod>>;

export type ExplainMethod = keyof typeof table;

export const explainMethods = Object.keys(table) as readonly ExplainMethod[];

export interface ExplainerOptions extends MethodOptions, Pick<PictureOptions, "decode"> {
  /** Default: `grad-cam`. */
  readonly method?: ExplainMethod | undefined;
}

export interface ExplainOptions {
  /** The class to explain, by name or index; default: the network's top class. */
  readonly target?: string | number | undefined;
  /** Number of classes to return, most probable first; default 5. */
  readonly top?: number | undefined;
  /** Aborts with its reason, after the current part of the computation or, if the engine can, within it. */
  readonly signal?: AbortSignal | undefined;
}

export interface Explanation {
  /** The picture's path or name. */
  readonly file: string;
  /** Most probable first. */
  readonly predictions: readonly Prediction[];
  /** The explained class. */
  readonly target: Prediction;
  /** The map of what speaks for it, at the method's resolution. */
  readonly heat: Heat;
  /** The part of the picture that the map covers. */
  readonly region: Region;
  /** That part as the network sees it, at its resolution. */
  readonly input: Picture;
}

/** A network compiled to explain its answers, one picture at a time. */
export class Explainer implements AsyncDisposable {
  readonly #checkpoint: Checkpoint;
  readonly #method: Method;
  readonly #decode: Decode | undefined;
  readonly #uses: Uses;

  private constructor(checkpoint: Checkpoint, method: Method, decode: Decode | undefined) {
    this.#checkpoint = checkpoint;
    this.#method = method;
    this.#decode = decode;
    this.#uses = new Uses(checkpoint.model.name);
  }

  /** @throws SenetError `usage` for a network in eight bits, or where an option does not fit it */
  static async create(checkpoint: Checkpoint, executor: Executor, options: ExplainerOptions = {}): Promise<Explainer> {
    const { method = "grad-cam", decode, ...others } = options;
    checkMethod(method);
    checkChannels(checkpoint);
    requireFloat32(checkpoint, checkpoint.model.name);
    return new Explainer(checkpoint, await table[method](checkpoint, executor, others), decode);
  }

  /**
   * Calls may overlap.
   * @throws SenetError `data` where the picture cannot be decoded; `usage` for an unknown class; `executor` after
   * `dispose`
   */
  explain(picture: PictureData, options: ExplainOptions = {}): Promise<Explanation> {
    return this.#uses.now(() => this.#explain(picture, options));
  }

  /** Waits for calls under way, then frees the memory. May be called twice. */
  dispose(): Promise<void> {
    return this.#uses.dispose(() => this.#method.dispose());
  }

  [asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #explain(picture: PictureData, { target, top = 5, signal }: ExplainOptions): Promise<Explanation> {
    const { preprocessing, labels } = this.#checkpoint;
    const file = nameOf(picture);
    checkTop(top);
    const asked = target === undefined ? undefined : classIndex(target, labels);
    const pixels = await pixelsOf(picture, this.#decode);
    const image = inputOf(pixels, preprocessing);
    signal?.throwIfAborted();
    const all = predictionsOf(await this.#method.logits(image, signal), 0, { labels, top: labels.length, file });
    const explained = all.find(({ index }) => index === asked) ?? all[0]!;
    return {
      file,
      predictions: all.slice(0, top),
      target: explained,
      heat: await this.#method.heat(image, explained.index, signal),
      region: seenRegion(pixels, preprocessing),
      input: shownInput(image.data as Float32Array, preprocessing.crop, preprocessing),
    };
  }
}

/** @throws SenetError `usage` */
function checkMethod(method: string): void {
  if (Object.hasOwn(table, method)) return;
  throw new SenetError("usage", "there is no such way to explain an answer", {
    where: "method",
    expected: explainMethods.join(", "),
    found: `${method}`,
  });
}

/**
 * @param target a label, or the index of one
 * @throws SenetError `usage` with the nearest labels
 */
export function classIndex(target: string | number, labels: readonly string[]): number {
  const byName = labels.indexOf(`${target}`);
  if (byName >= 0) return byName;
  const index = typeof target === "number" || /^\d+$/.test(target) ? Number(target) : Number.NaN;
  if (Number.isInteger(index) && index >= 0 && index < labels.length) return index;
  const wanted = `${target}`.trim().toLowerCase();
  const [named, ...others] = labels.flatMap((label, i) => (namesIn(label).includes(wanted) ? [i] : []));
  if (named !== undefined && others.length === 0) return named;
  const alike = labels.filter((label) => wanted !== "" && label.toLowerCase().includes(wanted));
  const nearest = [...new Set([...alike, ...nearestNames(`${target}`, labels)])].slice(0, 3);
  throw new SenetError("usage", "the network does not know this class", {
    where: "class",
    expected: `one of its labels, or an index below ${labels.length}`,
    found: `${target}`,
    hint: `the nearest: ${nearest.join(", ")}`,
  });
}

/** The names in a label such as `n02123045 tabby, tabby cat`, in lower case: its WordNet id, and its synonyms. */
function namesIn(label: string): readonly string[] {
  const [, id = "", names = label] = /^(n\d{8})\s+(.+)$/s.exec(label) ?? [];
  return [id, names, ...names.split(",")].map((name) => name.trim().toLowerCase()).filter((name) => name !== "");
}
