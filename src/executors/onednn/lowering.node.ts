/** The context of the rules that lower fused nodes: where values are, and in which layouts. */

import type { Graph, Value } from "../../ir/graph.ts";
import { resultsOf } from "../../ir/uses.ts";
import { type Shape, sameShape, sizeOf, type Tensor, type TensorData, zeros } from "../../tensor.ts";
import type { SumOverRanks, Weights } from "../executor.ts";
import type { FusedKind, FusedNode } from "./fused.ts";
import { type GroupShape, mergeGroups, turnTaps } from "./groups.ts";
import type { Masters } from "./masters.node.ts";
import type { Arguments, Place } from "./plan.node.ts";
import { Arg, type Desc, type PostOp, type Scales } from "./spec.ts";
import { type Prepared, Target } from "./target.node.ts";

/** Where values come from. */
export interface Sources {
  readonly graph: Graph;
  readonly weights: Weights;
  /** Whether each run reads the current weights; otherwise they never change. */
  readonly live: boolean;
  readonly masters: Masters | undefined;
  readonly sumOverRanks: SumOverRanks | undefined;
}

/** A primitive's view of weights. */
export interface Grouping {
  readonly dims: Shape;
  /** Set if groups are merged. */
  readonly merged?: GroupShape;
}

/** A view of a batch of pictures, and of one number per channel, as `count` parts. */
export interface Pictures {
  readonly count: number;
  readonly picture: (place: Place) => Desc;
  readonly gate: (place: Place) => Desc;
}

/** Lowers one fused node. */
export type Rule<K extends FusedKind> = (lowering: Lowering, node: FusedNode<K>) => void;

/** The post-operations of a node: the sum, then the activation. */
export const postOpsOf = ({ activation }: FusedNode, sum?: Desc): readonly PostOp[] => [
  ...(sum === undefined ? [] : [{ kind: "add", operand: sum } as const]),
  ...(activation === undefined ? [] : [{ kind: activation }]),
];

/** Keeps track of where values are. */
export class Lowering extends Target {
  readonly prepared: Prepared;
  /** Learnt parameters, in training. */
  readonly masters: Masters | undefined;
  readonly sumOverRanks: SumOverRanks | undefined;
  readonly #graph: Graph;
  readonly #weights: Weights;
  readonly #live: boolean;
  readonly #places = new Map<Value, Place>();
  readonly #weightPlaces = new Map<Value, Place[]>();
  /** Values of parts of the batch to those of the whole batch. */
  readonly #wholes = new Map<Value, Value>();
  /** Values read after a run, including new values of parameters; they must not be overwritten. */
  readonly #outputs: ReadonlySet<Value>;
  readonly #parameters: ReadonlySet<Value>;
  readonly #updated: ReadonlySet<Value>;

  constructor(
    { api, type, plan }: Target,
    prepared: Prepared,
    { graph, weights, live, masters, sumOverRanks }: Sources,
  ) {
    super(api, type, plan);
    this.prepared = prepared;
    this.masters = masters;
    this.sumOverRanks = sumOverRanks;
    this.#graph = graph;
    this.#weights = weights;
    this.#live = live;
    this.#outputs = new Set(resultsOf(graph));
    this.#parameters = new Set(graph.parameters);
    this.#updated = new Set(graph.updates.keys());
  }

  /** The place of a value. */
  place(value: Value): Place {
    const place = this.#places.get(value) ?? this.#parameter(value);
    if (place === undefined) throw new Error(`onednn: "${value.name}" was not lowered before it is used`);
    return place;
  }

  /** A value in its layout between operations. */
  get(value: Value): Place {
    return this.plan.reordered(value.name, this.place(value), this.standingOf(value.type));
  }

  /** A value, row-major in float32. */
  plain(value: Value): Place {
    return this.plan.reordered(value.name, this.place(value), this.plan.describe(value.type.shape, "f32", "plain"));
  }

  /** Whether a value never changes; in training, a parameter that is neither learnt nor updated. */
  isOnce(value: Value): boolean {
    if (!this.#isParameter(value)) return false;
    const { masters } = this;
    return !this.#live || (masters !== undefined && masters.of(value) === undefined && !this.#updated.has(value));
  }

  /** The data of a constant parameter: eight-bit weights and what belongs to them. */
  constant(value: Value): TensorData {
    return this.#weights.get(value.name)!.data.slice();
  }

  /** Scales passed at execution, as arguments. */
  scaleArguments(scales: Scales): Arguments {
    const given = [...this.api.scaleArguments(scales)];
    const place = (data: Float32Array) => this.plan.fixed(this.plan.describe([data.length], "f32", "plain"), data);
    return Object.fromEntries(given.map(([arg, data]) => [arg, place(data)]));
  }

  /** Sets the place of a value. */
  set(value: Value, place: Place): Place {
    this.#places.set(value, place);
    return place;
  }

  /** Declares a value of the whole batch that repeated steps read part by part. */
  enters(part: Value, whole: Value): void {
    const place = this.place(whole);
    this.set(part, this.plan.partEach(place, this.plan.describe(part.type.shape, place.desc.type, "plain")));
  }

  /**
   * Declares that a part's value is kept as part of the whole batch's; to be called before the operation that computes
   * it.
   */
  leaves(part: Value, whole: Value): void {
    this.#wholes.set(part, whole);
  }

  /** Copies it there, if the operation did not write it there itself. */
  gather(part: Value): void {
    const place = this.place(part);
    if (place.stride === undefined) this.plan.copy(part.name, place, this.make(part));
  }

  /** Allocates memory for an operation's result. */
  make(value: Value): Place {
    const desc = this.standingOf(value.type);
    const whole = this.#wholes.get(value);
    if (whole !== undefined) return this.set(value, this.plan.partEach(this.#placed(whole), desc));
    const isResult =
      this.#outputs.has(value) && desc.type === "f32" && this.plan.layoutOf(value.type.shape) === "plain";
    return this.set(value, isResult ? this.plan.fixed(desc) : this.plan.place(desc));
  }

  #placed(value: Value): Place {
    return this.#places.get(value) ?? this.make(value);
  }

  /** The same, row-major in float32, for values that are not activations. */
  makePlain(value: Value): Place {
    const desc = this.plan.describe(value.type.shape, "f32", "plain");
    const master = this.masters?.ofGradient(value);
    if (master?.form.desc === desc) return this.set(value, master.gradient);
    return this.set(value, this.#outputs.has(value) ? this.plan.fixed(desc) : this.plan.place(desc));
  }

  /** Lets an operation write a value in its own layout, and converts it to the value's usual one. */
  writes(name: string, has: Desc, value: Value, run: (into: Place) => void): void {
    const place = this.make(value);
    if (this.api.isEqual(has, place.desc)) {
      run(place);
      return;
    }
    const into = this.plan.place(has);
    run(into);
    this.plan.copy(name, into, place);
  }

  /**
   * The gate operations' view of `[N,C,H,W]`, in which a gate is a factor per channel, for which the library has fast
   * code: one picture with N·C channels, which is the same memory in blocked and row-major layouts; with channels last,
   * `parts` equal parts of the batch.
   */
  pictures(shape: Shape, parts = 1): Pictures {
    const [batch, channels, height, width] = shape as [number, number, number, number];
    const layout = this.plan.layoutOf(shape);
    const isLast = layout === "channelsLast";
    const [pictures, together] = isLast ? [batch / parts, channels] : [1, batch * channels];
    const viewOf = (dims: Shape) => (place: Place) => this.plan.describe(dims, place.desc.type, layout);
    return {
      count: isLast ? parts : 1,
      picture: viewOf([pictures, together, height, width]),
      gate: viewOf([pictures, together, 1, 1]),
    };
  }

  /** `[N,C,1,1]` in the layout of its `picture`: the same memory if blocks are full. */
  asChannels(place: Place, picture: Shape): Place {
    return this.plan.as(place, this.plan.describe(place.desc.dims, place.desc.type, this.plan.layoutOf(picture)));
  }

  /**
   * A parameter in the layout that a primitive wants, converted once for all that want it: now if weights are frozen,
   * otherwise in each run.
   * @param dims its dimensions as the primitive sees them (groups)
   */
  weight(name: string, value: Value, { dims, merged }: Grouping, wanted: Desc): Place {
    const known = this.#weightPlaces.get(value)?.find(({ desc }) => this.api.isEqual(desc, wanted));
    if (known !== undefined) return known;
    const master = this.masters?.of(value)?.weight;
    const isSeenSo = master !== undefined && sameShape(master.desc.dims, dims);
    const source = isSeenSo ? master : this.#rowMajor(name, value, dims, merged);
    const place = this.#inLayout(name, value, source, wanted);
    if (this.#isParameter(value)) this.#weightPlaces.set(value, [...(this.#weightPlaces.get(value) ?? []), place]);
    return place;
  }

  /**
   * The weight of a convolution with reversed taps and exchanged channels, in the layout `weights16Backward`; made of
   * whole blocks of its form in `weights16`.
   */
  turnedWeight(name: string, value: Value, turned: Desc): Place {
    const { plan } = this;
    const { shape } = value.type;
    const old = this.weight(name, value, { dims: shape }, plan.describe(shape, "f32", "weights16"));
    const taps = shape[2]! * shape[3]!;
    return this.#derived(name, value, old, turned, (from, into) => turnTaps(from, into, taps, 16 ** 2));
  }

  /** A parameter with the primitive's dimensions, row-major. */
  #rowMajor(name: string, value: Value, dims: Shape, merged: GroupShape | undefined): Place {
    const { plan } = this;
    const old = this.plain(value);
    const plain = plan.describe(dims, "f32", "plain");
    if (merged === undefined) return plan.as(old, plain);
    return this.#derived(name, value, old, plain, (from, into) => mergeGroups(merged, from, into.fill(0)));
  }

  /** Another form of a weight, computed by `fill`. */
  #derived(
    name: string,
    value: Value,
    old: Place,
    desc: Desc,
    fill: (from: Float32Array, into: Float32Array) => void,
  ): Place {
    const { plan } = this;
    const once = this.isOnce(value);
    const place = once ? plan.fixed(desc) : plan.place(desc);
    const [from, into] = [plan.array(old), plan.array(place)];
    const run = () => fill(from.data, into.data);
    if (once) plan.asideHost("load", name, run);
    else plan.host(name, [old], [place], run);
    return place;
  }

  #inLayout(name: string, value: Value, source: Place, wanted: Desc): Place {
    const { api, plan } = this;
    if (api.isEqual(source.desc, wanted)) return source;
    const primitive = api.primitive(name, { primitive: "reorder", src: source.desc, dst: wanted });
    const once = this.isOnce(value);
    const place = once ? plan.fixed(wanted) : plan.place(wanted);
    if (once) plan.aside("load", name, primitive, { [Arg.src]: source }, { [Arg.dst]: place });
    else plan.run(name, primitive, { [Arg.src]: source }, { [Arg.dst]: place });
    return place;
  }

  #parameter(value: Value): Place | undefined {
    if (!this.#isParameter(value)) return undefined;
    const master = this.masters?.of(value);
    if (master !== undefined) return this.set(value, master.weight);
    const { data } = this.#weights.get(value.name)!;
    const desc = this.plan.describe(value.type.shape, "f32", "plain");
    return this.set(value, this.plan.fixed(desc, data));
  }

  #isParameter(value: Value): boolean {
    return this.#parameters.has(value);
  }

  /** The memory of an input. */
  input(value: Value): Float32Array {
    const { shape } = value.type;
    const { buffer, byteOffset } = this.plan.memory(4 * sizeOf(shape));
    const data = new Float32Array(buffer, byteOffset, sizeOf(shape));
    const place = this.plan.fixed(this.plan.describe(shape, "f32", "plain"), data);
    this.set(value, place);
    return data;
  }

  /** The tensor of an output, readable after a run. */
  output(name: string, value: Value): Tensor {
    const { shape } = value.type;
    const result = zeros("float32", shape);
    const place = this.snapshot(value);
    if (place.slot.fixed !== undefined) {
      const { buffer, byteOffset } = place.slot.fixed;
      return { ...result, data: new Float32Array(buffer, byteOffset, result.data.length) };
    }
    const from = this.plan.array(place);
    this.plan.host(name, [place], [], () => result.data.set(from.data));
    return result;
  }

  /** A value, row-major; a copy if it is a parameter or an input, since the plan does not control when these change. */
  snapshot(value: Value): Place {
    const place = this.plain(value);
    if (!this.#isParameter(value) && !this.#graph.inputs.includes(value)) return place;
    const copy = this.plan.fixed(place.desc);
    this.plan.copyWeight(value.name, place, copy);
    return copy;
  }
}
