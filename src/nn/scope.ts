/** The scope in which a layer is built: its path in the model is its name in the graph and in weight files. */

import type { GraphBuilder, Outputs, ParameterOptions } from "../ir/builder.ts";
import type { Parameter, Place, Role, Tag, Value } from "../ir/graph.ts";
import type { Attrs, Op } from "../ir/ops.ts";
import type { DType, Shape } from "../tensor.ts";
import type { Initialisation } from "./init.ts";

export interface BuildMode {
  /** Whether batch norm uses the batch's statistics and updates the running ones. */
  readonly training: boolean;
  readonly dtype: DType;
  /**
   * Stochastic depth in training (drop-path.ts): probability of dropping the last residual block's branch; default 0.
   */
  readonly dropPath?: number | undefined;
  /** Default: the usual style. */
  readonly style?: Style;
}

/** Settings common to all layers of a network. */
export interface Style {
  /**
   * Batch norm's eps, the decay of its running statistics, and the initial running variance; default 1e-5, 0.9 and 1.
   */
  readonly norm?: { readonly eps: number; readonly decay: number; readonly variance?: number };
  /** Initialisation of weights; default: `he`. */
  readonly init?: Initialisation;
}

/** A path in the model: what is built in `scope.at("layer1").at(0).at("conv1")` is named `layer1.0.conv1`. */
export class Scope {
  readonly graph: GraphBuilder;
  readonly mode: BuildMode;
  readonly path: string;
  /** The place (block and tag) of nodes built here. */
  readonly place: Place;

  constructor(graph: GraphBuilder, mode: BuildMode, path = "", place: Place = {}) {
    this.graph = graph;
    this.mode = mode;
    this.path = path;
    this.place = place;
  }

  at(name: string | number): Scope {
    const path = this.path === "" ? `${name}` : `${this.path}.${name}`;
    return new Scope(this.graph, this.mode, path, { block: this.place.block });
  }

  /** The same path with another style for everything built in it. */
  styled({ norm, init }: Style): Scope {
    const style = { ...this.mode.style, ...(norm && { norm }), ...(init && { init }) };
    return new Scope(this.graph, { ...this.mode, style }, this.path, this.place);
  }

  /**
   * The same path in another place: everything built in it belongs to the place's block, and the node named after the
   * path gets its tag.
   */
  placed(place: Place): Scope {
    return new Scope(this.graph, this.mode, this.path, place);
  }

  /** The same path as a block of that stage, with everything built in it. */
  asBlock(stage: number): Scope {
    return this.placed({ block: { name: this.path, stage } });
  }

  /** The same path, whose own node gets the tag. */
  tagged(tag: Tag): Scope {
    return this.placed({ ...this.place, tag });
  }

  /** Adds a parameter. @param options its initial value, if not its role's usual one, and whether it is frozen */
  parameter(name: string, shape: Shape, role: Role, options?: ParameterOptions): Parameter {
    return this.graph.parameter(`${this.path}.${name}`, shape, role, this.mode.dtype, options);
  }

  /** Adds an operation named after this path. */
  apply<K extends Op>(op: K, inputs: readonly Value[], attrs: Attrs[K]): Outputs<K> {
    return this.graph.apply(op, this.path, inputs, attrs, this.place);
  }
}
