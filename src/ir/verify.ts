/** The invariants of a graph, checked when it is built and after every pass. */

import { SenetError } from "../errors.ts";
import { sameShape } from "../tensor.ts";
import { formatType, type Graph, type Type, type Value } from "./graph.ts";
import { inferTypes } from "./infer.ts";

export const sameType = (a: Type, b: Type): boolean => a.dtype === b.dtype && sameShape(a.shape, b.shape);

/**
 * Checks that names are unique, that values are computed before they are used, that every type is what its operation
 * infers, and that outputs and updates exist and fit.
 * @param stage what made the graph; named in errors
 * @throws SenetError `graph`
 */
export function verify(graph: Graph, stage: string): void {
  const fail = (what: string, expected?: string, found?: string): never => {
    throw new SenetError("graph", `${what} (after "${stage}")`, {
      where: graph.name,
      ...(expected !== undefined && { expected }),
      ...(found !== undefined && { found }),
    });
  };
  const names = new Set<string>();
  const known = new Set<Value>();
  const define = (value: Value) => {
    if (names.has(value.name)) fail(`two values are called "${value.name}"`);
    names.add(value.name);
    known.add(value);
  };
  for (const value of [...graph.inputs, ...graph.parameters]) define(value);
  for (const node of graph.nodes) {
    for (const input of node.inputs) {
      if (!known.has(input)) fail(`${node.name} uses "${input.name}", which nothing before it makes`);
    }
    const types = inferTypes(
      node.op,
      node.name,
      node.inputs.map((value) => value.type),
      node.attrs,
    );
    if (types.length !== node.outputs.length) {
      fail(`${node.name} (${node.op}) has the wrong number of outputs`, `${types.length}`, `${node.outputs.length}`);
    }
    node.outputs.forEach((output, i) => {
      if (!sameType(output.type, types[i]!)) {
        fail(`${output.name} has the wrong type`, formatType(types[i]!), formatType(output.type));
      }
      define(output);
    });
  }
  for (const [name, value] of graph.outputs) {
    if (!known.has(value)) fail(`output "${name}" is made by nothing`);
  }
  for (const [parameter, value] of graph.updates) {
    if (!known.has(parameter)) fail(`the update of "${parameter.name}" is for no parameter of the graph`);
    if (!known.has(value)) fail(`the update of "${parameter.name}" is made by nothing`);
    if (!sameType(parameter.type, value.type)) {
      fail(`the update of "${parameter.name}" does not fit`, formatType(parameter.type), formatType(value.type));
    }
  }
}
