/** What the rules of operations work with while a graph becomes a plan: where values are, in which layouts. */

import type { AnyNode, Graph, Node, Value } from "../../ir/graph.ts";
import type { Op } from "../../ir/ops.ts";
import { type Shape, sameShape, sizeOf, type Tensor, zeros } from "../../tensor.ts";
import type { Weights } from "../executor.ts";
import type { Api, Primitive } from "./api.node.ts";
import { Fusion } from "./fusion.ts";
import { type GroupShape, mergeGroups, turnTaps } from "./groups.ts";
import type { Masters } from "./masters.node.ts";
import { type Place, PlanBuilder } from "./plan.node.ts";
import { Arg, type Desc, type ElementType } from "./spec.ts";

export interface LowerOptions {
  /** Each run reads the weights as they are then; else they are read once, now. */
  readonly live: boolean;
  /** What activations are, and the weights that meet them. */
  readonly type: ElementType;
}

/** How a primitive sees weights. */
export interface Grouping {
  readonly dims: Shape;
  /** Where groups are merged. */
  readonly merged?: GroupShape;
}

/** One operation's lowering. */
export type Rule<K extends Op> = (lowering: Lowering, node: Node<K>) => void;

/** What rules share: where values are, and what other rules have done or left to do. */
export class Lowering {
  readonly api: Api;
  readonly plan: PlanBuilder;
  readonly fusion: Fusion;
  readonly options: LowerOptions;
  /** Operations that another one has done on its way. */
  readonly done = new Set<AnyNode>();
  /** Forward primitives by their operations, which backward ones refer to. */
  readonly forward = new Map<AnyNode, Primitive>();
  /** What forward primitives keep for backward ones. */
  readonly workspaces = new Map<AnyNode, Place>();
  /** The ReLUs that batch norms do, by the batch's mean, which their backward operations have too. */
  readonly fusedNorms = new Map<Value, AnyNode>();
  /** The gradients behind those ReLUs. */
  readonly throughRelu = new Map<AnyNode, Value>();
  /** Gradients through a gate that are not computed yet: what follows is done in the same pass. */
  readonly waiting = new Map<Value, { readonly gate: Value; readonly dy: Value }>();
  /** Gradients that are the same for all positions of a channel: one number for each. */
  readonly spread = new Map<Value, Place>();
  /** In training: what is learnt. */
  masters: Masters | undefined;
  readonly #graph: Graph;
  readonly #weights: Weights;
  readonly #made = new Map<unknown, unknown>();
  readonly #places = new Map<Value, Place>();
  readonly #weightPlaces = new Map<Value, Place[]>();
  /** What is read after a run, next values of parameters among them: it must not be written over. */
  readonly #outputs: ReadonlySet<Value>;
  readonly #parameters: ReadonlySet<Value>;

  constructor(api: Api, graph: Graph, weights: Weights, options: LowerOptions) {
    this.api = api;
    this.plan = new PlanBuilder(api);
    this.fusion = new Fusion(graph);
    this.options = options;
    this.#graph = graph;
    this.#weights = weights;
    this.#outputs = new Set([...graph.outputs.values(), ...graph.updates.values()]);
    this.#parameters = new Set(graph.parameters);
  }

  /** What is made of an operation before its turn, and then used again. */
  once<T>(node: AnyNode | Node, make: () => T): T {
    if (!this.#made.has(node)) this.#made.set(node, make());
    return this.#made.get(node) as T;
  }

  /** The type of a value between operations: vectors stay in float32, as do the loss and what is near it. */
  typeOf(shape: Shape): ElementType {
    return shape.length === 4 ? this.options.type : "f32";
  }

  /** A description of a value as it stays between operations. */
  descOf(shape: Shape, type = this.typeOf(shape)): Desc {
    return this.plan.describe(shape, type, this.plan.layoutOf(shape));
  }

  /** Where a value is. */
  place(value: Value): Place {
    const place = this.#places.get(value) ?? this.#parameter(value);
    if (place === undefined) throw new Error(`onednn: "${value.name}" was not lowered before it is used`);
    return place;
  }

  /** Whether a value is there already. */
  isPlaced(value: Value): boolean {
    return this.#places.has(value);
  }

  /** A value as it stays between operations. */
  get(value: Value): Place {
    return this.plan.reordered(value.name, this.place(value), this.descOf(value.type.shape));
  }

  /** A value row-major in float32. */
  plain(value: Value): Place {
    return this.plan.reordered(value.name, this.place(value), this.plan.describe(value.type.shape, "f32", "plain"));
  }

  /** Says where a value is. */
  set(value: Value, place: Place): Place {
    this.#places.set(value, place);
    return place;
  }

  /** Memory for a value that an operation makes. */
  make(value: Value): Place {
    const desc = this.descOf(value.type.shape);
    const isResult =
      this.#outputs.has(value) && desc.type === "f32" && this.plan.layoutOf(value.type.shape) === "plain";
    return this.set(value, isResult ? this.plan.fixed(desc) : this.plan.place(desc));
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

  /** `[N,C,H,W]` as one picture of N·C channels: in these layouts the same memory. */
  merged(place: Place, [batch, channels, height, width]: Shape): Place {
    const dims = [1, batch! * channels!, height!, width!];
    const layout = this.plan.layoutOf([batch!, channels!, height!, width!]);
    return this.plan.as(place, this.plan.describe(dims, place.desc.type, layout));
  }

  /** `[N,C,1,1]` as a factor of each channel of the merged `picture`. */
  mergedGate(place: Place, picture: Shape): Place {
    const dims = [1, picture[0]! * picture[1]!, 1, 1];
    return this.plan.as(place, this.plan.describe(dims, place.desc.type, this.plan.layoutOf(picture)));
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
    const once = this.#isOnce(value);
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
    const once = this.#isOnce(value);
    const place = once ? plan.fixed(wanted) : plan.place(wanted);
    if (once) plan.aside("load", name, primitive, { [Arg.src]: source }, { [Arg.dst]: place });
    else plan.run(name, primitive, { [Arg.src]: source }, { [Arg.dst]: place });
    return place;
  }

  /** Whether a value never changes. */
  #isOnce(value: Value): boolean {
    return !this.options.live && this.#isParameter(value);
  }

  #parameter(value: Value): Place | undefined {
    if (!this.#isParameter(value)) return undefined;
    const master = this.masters?.of(value);
    if (master !== undefined) return this.set(value, master.weight);
    const { data } = this.#weights.get(value.name)!;
    const desc = this.plan.describe(value.type.shape, "f32", "plain");
    return this.set(value, this.plan.fixed(desc, this.options.live ? data : data.slice()));
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
