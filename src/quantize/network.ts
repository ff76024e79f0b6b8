/** Prepares a float32 network for quantisation: everything that is measured once, whichever layers are chosen later. */

import type { Executor } from "../executors/executor.ts";
import type { Value } from "../ir/graph.ts";
import { equalizeChannels } from "../passes/equalize.ts";
import type { Program } from "../passes/index.ts";
import { eightBitValues, type Layer, type Quantization, quantizableLayers } from "../passes/quantize.ts";
import { levels, quantizeProgram } from "../passes/quantize-weights.ts";
import { type ActivationFacts, calibrate } from "./calibrate.ts";
import { correctedBias } from "./correct-bias.ts";
import { type RangeMethodName, scaleOf } from "./methods.ts";

export interface PreparationOptions {
  readonly method: RangeMethodName;
  /** Whether to equalise ranges across layers first (passes/equalize.ts); default true. */
  readonly equalize?: boolean;
  /** Whether to correct biases for the rounding of weights; default true. */
  readonly correctBias?: boolean;
}

export class PreparedNetwork {
  /** Float32, batch norm folded, equalised if asked for. */
  readonly program: Program;
  /** Layers that can be in eight bits, in graph order. */
  readonly layers: readonly Layer[];
  readonly #facts: ReadonlyMap<Value, ActivationFacts>;
  readonly #options: PreparationOptions;

  private constructor(
    program: Program,
    layers: readonly Layer[],
    facts: ReadonlyMap<Value, ActivationFacts>,
    options: PreparationOptions,
  ) {
    this.program = program;
    this.layers = layers;
    this.#facts = facts;
    this.#options = options;
  }

  /** @param folded float32, batch norm folded @param batches calibration pictures */
  static async create(
    folded: Program,
    executor: Executor,
    batches: Parameters<typeof calibrate>[3],
    options: PreparationOptions,
  ): Promise<PreparedNetwork> {
    const program = options.equalize === false ? folded : equalizeChannels(folded);
    const layers = quantizableLayers(program.graph);
    const values = eightBitValues(program.graph, layers).map(({ value }) => value);
    return new PreparedNetwork(program, layers, await calibrate(program, executor, values, batches), options);
  }

  /** The settings for these layers in eight bits. */
  quantization(layers: readonly Layer[]): Quantization {
    const own = eightBitValues(this.program.graph, layers).filter(({ sameAs }) => sameAs === undefined);
    const scales = own.map(({ value, signed }): [string, number] => [value.name, this.#scale(value, signed)]);
    return { layers: layers.map(({ name }) => name), scales: Object.fromEntries(scales) };
  }

  /** The network with these layers in eight bits. */
  quantized(layers: readonly Layer[]): Program {
    const { program } = this;
    const quantized = quantizeProgram(program, this.quantization(layers));
    if (this.#options.correctBias === false) return quantized;
    const weights = new Map(quantized.weights);
    for (const layer of layers) {
      const means = this.#facts.get(layer.inputs[0]!)!.means;
      weights.set(layer.inputs[2]?.name ?? `${layer.name}.bias`, correctedBias(layer, program, means));
    }
    return { graph: quantized.graph, weights };
  }

  /** The histogram of one activation, over all pictures. */
  histogram(value: Value): ActivationFacts["histogram"] {
    return this.#facts.get(value)!.histogram;
  }

  readonly #scales = new Map<Value, number>();

  #scale(value: Value, signed: boolean): number {
    const known = this.#scales.get(value) ?? scaleOf(this.histogram(value), levels(signed), this.#options.method);
    this.#scales.set(value, known);
    return known;
  }
}
