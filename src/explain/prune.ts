/**
 * The value of gates: blocks and channels ranked by how open their gates are, with the error that remains without them.
 * Nothing is cut out of the network: a constant gate is one whose last layer has only a bias.
 */

import { SenetError } from "../errors.ts";
import { type Errors, type EvaluationBatch, errorsOf, predict } from "../evaluate/evaluate.ts";
import { type GatePlace, gatesOf, meanGates } from "../evaluate/excitation.ts";
import type { CompileOptions, Executor } from "../executors/executor.ts";
import type { AnyNode, Graph, Parameter, Value } from "../ir/graph.ts";
import { GraphUses } from "../ir/uses.ts";
import type { Program } from "../passes/index.ts";
import { copyOf, type Tensor, zeros } from "../tensor.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { inferenceProgram, requireFloat32 } from "../weights/program.ts";
import { inferenceGraph } from "../zoo/index.ts";

export interface PruneOptions extends Pick<CompileOptions, "threads"> {
  readonly checkpoint: Checkpoint;
  readonly executor: Executor;
  /** Yields the pre-processed pictures; called several times. */
  readonly batches: () => AsyncIterable<EvaluationBatch>;
  readonly batchSize: number;
  /** Shares of all channels to close, the least open first; default: 1/20, 1/10, 1/5, 1/3, 1/2. */
  readonly parts?: readonly number[] | undefined;
  /** Called with the number of variants measured and in all. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

export interface BlockCost extends GatePlace {
  /** Mean over pictures and channels. */
  readonly mean: number;
  /** Standard deviation of gates over pictures, averaged over the channels. */
  readonly spread: number;
  /** Error in percent with the block's gates closed: a residual block is then only its shortcut. */
  readonly closedTop1Error: number;
  /** Error in percent with each gate fixed at its mean: the block without squeeze and excitation. */
  readonly fixedTop1Error: number;
}

export interface ChannelCost {
  /** Share of all channels with a gate. */
  readonly part: number;
  readonly channels: number;
  /** The largest mean gate among the closed channels. */
  readonly below: number;
  /** Error in percent with these channels closed. */
  readonly top1Error: number;
}

export interface PruneCosts {
  /** Errors of the unchanged network. */
  readonly whole: Errors;
  /** Least open first. */
  readonly blocks: readonly BlockCost[];
  readonly parts: readonly ChannelCost[];
  /** All channels, least open first. */
  readonly channels: readonly { readonly block: string; readonly channel: number; readonly mean: number }[];
}

const usualParts = [0.05, 0.1, 0.2, 1 / 3, 0.5];

/**
 * Measures the costs. @throws SenetError `usage` for a network without gates, in eight bits, or with gates of an
 * unknown form
 */
export async function pruneCosts(options: PruneOptions): Promise<PruneCosts> {
  const { checkpoint, executor, batches, batchSize, parts = usualParts, onProgress } = options;
  const { model, preprocessing } = checkpoint;
  requireFloat32(checkpoint, model.name);
  const imageSize = preprocessing.crop;
  const graph = inferenceGraph(model, { batch: batchSize, imageSize });
  const gates = gatesOf(graph);
  if (gates.length === 0) throw new SenetError("usage", "the network has no gates to rank by", { where: model.name });
  const program = await inferenceProgram(graph, checkpoint);
  const total = 2 + 2 * gates.length + parts.length;
  let done = 0;
  const measured = async (constants: Constants): Promise<Errors> => {
    const { graph, weights } = withConstantGates(program, constants);
    const { threads } = options;
    const network = await executor.compile(graph, weights, { threads });
    const predictions = [];
    try {
      for await (const batch of predict(network, batches())) predictions.push(...batch);
    } finally {
      await network.dispose();
    }
    onProgress?.(++done, total);
    return errorsOf(predictions, model.classes);
  };

  const moments = gates.map(({ channels }) => new Moments(channels));
  await meanGates({
    ...checkpoint,
    executor,
    batches: batches(),
    batchSize,
    imageSize,
    onGates: (values, { size }) => {
      for (const [i, own] of values.entries()) moments[i]!.add(own, size);
    },
  });
  onProgress?.(++done, total);
  const whole = await measured(new Map());

  const blocks: BlockCost[] = [];
  for (const [i, { value, ...place }] of gates.entries()) {
    const { means, spread } = moments[i]!;
    const closed = await measured(new Map([[value.name, means.map(() => 0)]]));
    const fixed = await measured(new Map([[value.name, means]]));
    const mean = means.reduce((a, b) => a + b, 0) / place.channels;
    blocks.push({ ...place, mean, spread, closedTop1Error: closed.top1Error, fixedTop1Error: fixed.top1Error });
  }

  const channels = gates
    .flatMap(({ value, block }, i) =>
      Array.from(moments[i]!.means, (mean, channel) => ({ gate: value.name, block, channel, mean })),
    )
    .sort((a, b) => a.mean - b.mean);
  const costs: ChannelCost[] = [];
  for (const part of parts) {
    const closed = channels.slice(0, Math.round(part * channels.length));
    const constants = new Map(
      gates.map(({ value, channels }) => [value.name, new Float64Array(channels).fill(Number.NaN)]),
    );
    for (const { gate, channel } of closed) constants.get(gate)![channel] = 0;
    const { top1Error } = await measured(constants);
    costs.push({ part, channels: closed.length, below: closed.at(-1)?.mean ?? 0, top1Error });
  }
  return {
    whole,
    parts: costs,
    blocks: blocks.sort((a, b) => a.mean - b.mean),
    channels: channels.map(({ block, channel, mean }) => ({ block, channel, mean })),
  };
}

/** Means and standard deviations of a block's gates over pictures. */
class Moments {
  readonly #sums: Float64Array;
  readonly #squares: Float64Array;
  #count = 0;

  constructor(channels: number) {
    this.#sums = new Float64Array(channels);
    this.#squares = new Float64Array(channels);
  }

  /** @param gates `[N · channels]`; the first `rows` rows count */
  add(gates: ArrayLike<number>, rows: number): void {
    const channels = this.#sums.length;
    this.#count += rows;
    for (let i = 0; i < rows * channels; i++) {
      this.#sums[i % channels]! += gates[i]!;
      this.#squares[i % channels]! += gates[i]! ** 2;
    }
  }

  get means(): Float64Array {
    return this.#sums.map((sum) => sum / this.#count);
  }

  /** The standard deviation over the pictures, averaged over the channels. */
  get spread(): number {
    const { means } = this;
    const deviations = this.#squares.map((sum, c) => Math.sqrt(Math.max(0, sum / this.#count - means[c]! ** 2)));
    return deviations.reduce((a, b) => a + b, 0) / means.length;
  }
}

/** Constant gates by the gate's name; NaN leaves a channel unchanged. */
type Constants = ReadonlyMap<string, Float64Array>;

/** Its sigmoid is 0 in float32. */
const closed = -200;

/**
 * Replaces gates by constants. @throws SenetError `usage` where a gate is not the sigmoid of a convolution or a linear
 * layer
 */
export function withConstantGates({ graph, weights }: Program, constants: Constants): Program {
  const changed = new Map(weights);
  const added: Parameter[] = [];
  const uses = new GraphUses(graph);
  const replaced = new Map<AnyNode, AnyNode>();
  for (const { value } of gatesOf(graph)) {
    const constant = constants.get(value.name);
    if (constant === undefined) continue;
    const layer = uses.makerOf(uses.makerOf(value)!.inputs[0]!);
    if (layer === undefined || (layer.op !== "conv2d" && layer.op !== "linear")) {
      throw new SenetError("usage", "this gate is not the sigmoid of a layer with weights", { where: value.name });
    }
    const [, weight, bias = biasOf(layer, constant.length)] = layer.inputs as [Value, Value, Value?];
    const [w, b] = [
      copyOf(weights.get(weight.name)!),
      copyOf(weights.get(bias.name) ?? zeros("float32", bias.type.shape)),
    ];
    for (const [channel, gate] of constant.entries()) if (!Number.isNaN(gate)) fix(w, b, channel, gate);
    changed.set(weight.name, w).set(bias.name, b);
    if (layer.inputs.length > 2) continue;
    added.push(bias as Parameter);
    replaced.set(layer, { ...layer, inputs: [...layer.inputs, bias] } as AnyNode);
  }
  const nodes = graph.nodes.map((node) => replaced.get(node) ?? node);
  return { graph: { ...graph, nodes, parameters: [...graph.parameters, ...added] } satisfies Graph, weights: changed };
}

/** A bias for gate layers without one, as in timm's and in the paper's ablations. */
const biasOf = ({ name }: AnyNode, channels: number): Parameter => ({
  name: `${name}.constant`,
  role: "bias" as const,
  type: { dtype: "float32", shape: [channels] },
});

function fix(weight: Tensor, bias: Tensor, channel: number, gate: number): void {
  const row = weight.data.length / weight.shape[0]!;
  weight.data.fill(0, channel * row, (channel + 1) * row);
  bias.data[channel] = Math.max(closed, Math.log(gate / (1 - gate)));
}
