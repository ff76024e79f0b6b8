/** Where a layer is being built: its path in the model is its name in the graph and in weight files. */

import type { GraphBuilder, Outputs, ParameterOptions } from "../ir/builder.ts";
import type { Parameter, Place, Role, Tag, Value } from "../ir/graph.ts";
import type { Attrs, Op } from "../ir/ops.ts";
import type { DType, Shape } from "../tensor.ts";
import type { Initialisation } from "./init.ts";

export interface BuildMode {
  /** Batch norm uses the batch's statistics and updates the running ones. */
  readonly training: boolean;
  readonly dtype: DType;
  /** How often the last residual block's branch is left out for a picture, when training (drop-path.ts); default: never. */
  readonly dropPath?: number | undefined;
  /** Default: what is usual. */
  readonly style?: Style;
}

/** What all layers of a network have in common. */
export interface Style {
  /**
   * Of batch norm: what is added to variances, how much of the running statistics each step keeps, and what the running
   * variance begins with; default 1e-5, 0.9 and 1.
   */
  readonly norm?: { readonly eps: number; readonly decay: number; readonly variance?: number };
  /** What weights begin with; default: `he`. */
  readonly init?: Initialisation;
}

/** `scope.at("layer1").at(0).at("conv1")` names what is built there `layer1.0.conv1`. */
export class Scope {
  readonly graph: GraphBuilder;
  readonly mode: BuildMode;
  readonly path: string;
  /** What nodes built here belong to, and what they are. */
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

  /** The same path, and all that is built in it has that style. */
  styled({ norm, init }: Style): Scope {
    const style = { ...this.mode.style, ...(norm && { norm }), ...(init && { init }) };
    return new Scope(this.graph, { ...this.mode, style }, this.path, this.place);
  }

  /** The same path in another place: all that is built in it is of its block, and what bears the path's name has its tag. */
  placed(place: Place): Scope {
    return new Scope(this.graph, this.mode, this.path, place);
  }

  /** What is built in it, down to its last part, is one block of that stage. */
  asBlock(stage: number): Scope {
    return this.placed({ block: { name: this.path, stage } });
  }

  /** The node that bears this path's name is of that kind. */
  tagged(tag: Tag): Scope {
    return this.placed({ ...this.place, tag });
  }

  /** @param options what it begins with, where that is not what is usual for its role, and whether it stays so */
  parameter(name: string, shape: Shape, role: Role, options?: ParameterOptions): Parameter {
    return this.graph.parameter(`${this.path}.${name}`, shape, role, this.mode.dtype, options);
  }

  /** Adds an operation that bears this path's name. */
  apply<K extends Op>(op: K, inputs: readonly Value[], attrs: Attrs[K]): Outputs<K> {
    return this.graph.apply(op, this.path, inputs, attrs, this.place);
  }
}
