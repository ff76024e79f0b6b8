/** Where a layer is being built: its path in the model is its name in the graph and in weight files. */

import type { GraphBuilder, Outputs } from "../ir/builder.ts";
import type { Parameter, Role, Value } from "../ir/graph.ts";
import type { Attrs, Op } from "../ir/ops.ts";
import type { DType, Shape } from "../tensor.ts";

export interface BuildMode {
  /** Batch norm uses the batch's statistics and updates the running ones. */
  readonly training: boolean;
  readonly dtype: DType;
}

/** `scope.at("layer1").at(0).at("conv1")` names what is built there `layer1.0.conv1`. */
export class Scope {
  readonly graph: GraphBuilder;
  readonly mode: BuildMode;
  readonly path: string;

  constructor(graph: GraphBuilder, mode: BuildMode, path = "") {
    this.graph = graph;
    this.mode = mode;
    this.path = path;
  }

  at(name: string | number): Scope {
    return new Scope(this.graph, this.mode, this.path === "" ? `${name}` : `${this.path}.${name}`);
  }

  parameter(name: string, shape: Shape, role: Role): Parameter {
    return this.graph.parameter(`${this.path}.${name}`, shape, role, this.mode.dtype);
  }

  /** Adds an operation that bears this path's name. */
  apply<K extends Op>(op: K, inputs: readonly Value[], attrs: Attrs[K]): Outputs<K> {
    return this.graph.apply(op, this.path, inputs, attrs);
  }
}
