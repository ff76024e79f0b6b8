/** The gates of a network for one picture, and for the pictures of a data set. */

import { asyncDispose } from "../disposal.ts";
import { type ExcitationOptions, type GateMeans, type GatePlace, gatesOf, meanGates } from "../evaluate/excitation.ts";
import type { PictureData, PictureOptions } from "../evaluate/picture-input.ts";
import { Probe } from "../evaluate/probe.ts";
import type { Executor, Running } from "../executors/executor.ts";
import type { Graph } from "../ir/graph.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { inferenceGraph } from "../zoo/index.ts";

/** A block's gates for one picture. */
export interface PictureGates extends GatePlace {
  /** `[channels]` */
  readonly gates: Float32Array;
}

/** A network compiled for its gates, one picture at a time. */
export class GateProbe implements AsyncDisposable {
  /** Undefined for a network without gates. */
  readonly #probe: Probe | undefined;
  readonly #places: readonly (readonly [name: string, place: GatePlace])[];

  private constructor(probe: Probe | undefined, places: readonly (readonly [string, GatePlace])[]) {
    this.#probe = probe;
    this.#places = places;
  }

  static async create(checkpoint: Checkpoint, executor: Executor, options: PictureOptions = {}): Promise<GateProbe> {
    const { model, preprocessing } = checkpoint;
    const gates = gatesOf(inferenceGraph(model, { batch: 1, imageSize: preprocessing.crop }));
    if (gates.length === 0) return new GateProbe(undefined, []);
    const wanted = (graph: Graph) => new Map(gatesOf(graph).map(({ value }) => [value.name, value]));
    const probe = await Probe.create(checkpoint, executor, wanted, options);
    return new GateProbe(
      probe,
      gates.map(({ value, ...place }) => [value.name, place]),
    );
  }

  /**
   * The gates of each block. @throws SenetError `data` where the picture cannot be decoded; `executor` after `dispose`
   */
  async of(picture: PictureData, running?: Running): Promise<readonly PictureGates[]> {
    if (this.#probe === undefined) return [];
    const outputs = await this.#probe.of(picture, running);
    return this.#places.map(([name, place]) => ({ ...place, gates: Float32Array.from(outputs.get(name)!.data) }));
  }

  async dispose(): Promise<void> {
    await this.#probe?.dispose();
  }

  [asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

/** The gates of a network over a data set. */
export interface GateAtlas {
  readonly means: readonly GateMeans[];
  /** By block and channel: the pictures that open it most, as indices in the data set, most open first. */
  readonly openers: readonly (readonly (readonly number[])[])[];
}

/** Pictures kept per channel. */
const mostOpeners = 4;

/** Collects the atlas in one pass over the pictures. */
export async function gateAtlas(options: Omit<ExcitationOptions, "onGates">): Promise<GateAtlas> {
  type Opener = { readonly sample: number; readonly gate: number };
  const openers: Opener[][][] = [];
  const means = await meanGates({
    ...options,
    onGates: (gates, { samples, size }) => {
      gates.forEach((values, block) => {
        const channels = values.length / options.batchSize;
        openers[block] ??= Array.from({ length: channels }, () => []);
        const best = openers[block];
        for (let row = 0; row < size; row++) {
          for (let c = 0; c < channels; c++) {
            const kept = best[c]!;
            const gate = values[row * channels + c]!;
            if (kept.length === mostOpeners && gate <= kept.at(-1)!.gate) continue;
            const at = kept.findIndex((other) => other.gate < gate);
            kept.splice(at < 0 ? kept.length : at, 0, { sample: samples[row]!, gate });
            kept.length = Math.min(kept.length, mostOpeners);
          }
        }
      });
    },
  });
  return { means, openers: openers.map((block) => block.map((kept) => kept.map(({ sample }) => sample))) };
}
