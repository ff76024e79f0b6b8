/** What the rules of fused nodes work with while a graph becomes a plan: where values are, in which layouts. */

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
  /** Each run reads the weights as they are then; else they never change. */
  readonly live: boolean;
  readonly masters: Masters | undefined;
  readonly sumOverRanks: SumOverRanks | undefined;
}

/** How a primitive sees weights. */
export interface Grouping {
  readonly dims: Shape;
  /** Where groups are merged. */
  readonly merged?: GroupShape;
}

/** How a batch of pictures, and numbers for each of its channels, are seen as `count` parts. */
export interface Pictures {
  readonly count: number;
  readonly picture: (place: Place) => Desc;
  readonly gate: (place: Place) => Desc;
}

/** One fused node's lowering. */
export type Rule<K extends FusedKind> = (lowering: Lowering, node: FusedNode<K>) => void;

/** What is done to a node's result on its way: the sum, then the activation. */
export const postOpsOf = ({ activation }: FusedNode, sum?: Desc): readonly PostOp[] => [
  ...(sum === undefined ? [] : [{ kind: "add", operand: sum } as const]),
  ...(activation === undefined ? [] : [{ kind: activation }]),
];

/** What rules share: where values are. */
export class Lowering extends Target {
  readonly prepared: Prepared;
  /** In training: what is learnt. */
  readonly masters: Masters | undefined;
  readonly sumOverRanks: SumOverRanks | undefined;
  readonly #graph: Graph;
  readonly #weights: Weights;
  readonly #live: boolean;
  readonly #places = new Map<Value, Place>();
  readonly #weightPlaces = new Map<Value, Place[]>();
  /** The values of the whole batch that parts of it are parts of. */
  readonly #wholes = new Map<Value, Value>();
  /** What is read after a run, next values of parameters among them: it must not be written over. */
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

  /** Where a value is. */
  place(value: Value): Place {
    const place = this.#places.get(value) ?? this.#parameter(value);
    if (place === undefined) throw new Error(`onednn: "${value.name}" was not lowered before it is used`);
    return place;
  }

  /** A value as it stays between operations. */
  get(value: Value): Place {
    return this.plan.reordered(value.name, this.place(value), this.standingOf(value.type));
  }

  /** A value row-major in float32. */
  plain(value: Value): Place {
    return this.plan.reordered(value.name, this.place(value), this.plan.describe(value.type.shape, "f32", "plain"));
  }

  /** Whether a value never changes: in training what is frozen, which is neither learnt nor updated. */
  isOnce(value: Value): boolean {
    if (!this.#isParameter(value)) return false;
    const { masters } = this;
    return !this.#live || (masters !== undefined && masters.of(value) === undefined && !this.#updated.has(value));
  }

  /** The numbers of a parameter that stays as it is: in eight bits, or what belongs to such. */
  constant(value: Value): TensorData {
    return this.#weights.get(value.name)!.data.slice();
  }

  /** The scales that a primitive is given when it runs, as arguments. */
  scaleArguments(scales: Scales): Arguments {
    const given = [...this.api.scaleArguments(scales)];
    const place = (data: Float32Array) => this.plan.fixed(this.plan.describe([data.length], "f32", "plain"), data);
    return Object.fromEntries(given.map(([arg, data]) => [arg, place(data)]));
  }

  /** Says where a value is. */
  set(value: Value, place: Place): Place {
    this.#places.set(value, place);
    return place;
  }

  /** What the steps that are repeated read of the whole batch. */
  enters(part: Value, whole: Value): void {
    const place = this.place(whole);
    this.set(part, this.plan.partEach(place, this.plan.describe(part.type.shape, place.desc.type, "plain")));
  }

  /** Says that a value of one part is kept, as a part of the whole batch's; before the operation that makes it. */
  leaves(part: Value, whole: Value): void {
    this.#wholes.set(part, whole);
  }

  /** Brings it there, where the operation has not written it there itself. */
  gather(part: Value): void {
    const place = this.place(part);
    if (place.stride === undefined) this.plan.copy(part.name, place, this.make(part));
  }

  /** Memory for a value that an operation makes. */
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

  /** The same, row-major in float32: what is no activation. */
  makePlain(value: Value): Place {
    const desc = this.plan.describe(value.type.shape, "f32", "plain");
    const master = this.masters?.ofGradient(value);
    if (master?.form.desc === desc) return this.set(value, master.gradient);
    return this.set(value, this.#outputs.has(value) ? this.plan.fixed(desc) : this.plan.place(desc));
  }

  /** Lets an operation write a value in the layout that it has, and brings it into the one that stays. */
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
   * What the gate's operations see of `[N,C,H,W]`, so that a gate is a factor of a channel, for which the library has fast
   * code: one picture of N·C channels, which in blocks and row-major is the same memory; with channels last, N pictures.
   */
  pictures(shape: Shape): Pictures {
    const [batch, channels, height, width] = shape as [number, number, number, number];
    const layout = this.plan.layoutOf(shape);
    const [count, together] = layout === "channelsLast" ? [batch, channels] : [1, batch * channels];
    const viewOf = (dims: Shape) => (place: Place) => this.plan.describe(dims, place.desc.type, layout);
    return { count, picture: viewOf([1, together, height, width]), gate: viewOf([1, together, 1, 1]) };
  }

  /** `[N,C,1,1]` in the layout of the `picture` that it belongs to: the same memory where blocks are full. */
  asChannels(place: Place, picture: Shape): Place {
    return this.plan.as(place, this.plan.describe(place.desc.dims, place.desc.type, this.plan.layoutOf(picture)));
  }

  /**
   * A parameter in the description that a primitive wants, made once for all that want it: now where the weights are
   * frozen, else in each run.
   * @param dims its extents as the primitive sees them (groups)
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
   * The weight of a convolution with its taps turned round and its channels exchanged, in the layout `weights16Backward`:
   * as whole blocks of what it is in `weights16`.
   */
  turnedWeight(name: string, value: Value, turned: Desc): Place {
    const { plan } = this;
    const { shape } = value.type;
    const old = this.weight(name, value, { dims: shape }, plan.describe(shape, "f32", "weights16"));
    const taps = shape[2]! * shape[3]!;
    return this.#derived(name, value, old, turned, (from, into) => turnTaps(from, into, taps, 16 ** 2));
  }

  /** A parameter under a primitive's extents, row-major. */
  #rowMajor(name: string, value: Value, dims: Shape, merged: GroupShape | undefined): Place {
    const { plan } = this;
    const old = this.plain(value);
    const plain = plan.describe(dims, "f32", "plain");
    if (merged === undefined) return plan.as(old, plain);
    return this.#derived(name, value, old, plain, (from, into) => mergeGroups(merged, from, into.fill(0)));
  }

  /** Another form of a weight, which `fill` makes of its numbers. */
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

  /** Memory of an input. */
  input(value: Value): Float32Array {
    const { shape } = value.type;
    const data = new Float32Array(sizeOf(shape));
    const place = this.plan.fixed(this.plan.describe(shape, "f32", "plain"), data);
    this.set(value, place);
    return data;
  }

  /** Where an output of the graph can be read after a run. */
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

  /** A value, row-major; of a parameter or an input a copy, since these change behind the plan's back. */
  snapshot(value: Value): Place {
    const place = this.plain(value);
    if (!this.#isParameter(value) && !this.#graph.inputs.includes(value)) return place;
    const copy = this.plan.fixed(place.desc);
    this.plan.copyWeight(value.name, place, copy);
    return copy;
  }
}
