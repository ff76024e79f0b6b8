/** Compares networks by what they compute: operations and weights, not names. */

import type { AnyNode, Graph, Value } from "../ir/graph.ts";
import type { Attrs } from "../ir/ops.ts";
import { shortExtent, shortPadding, type WindowAttrs } from "../ir/window.ts";
import type { Shape, Tensor, TensorData } from "../tensor.ts";

export interface WithWeights {
  /** The inference graph. */
  readonly graph: Graph;
  readonly weights: ReadonlyMap<string, Tensor>;
}

/**
 * Compares two graphs with one input and one output each. Weights are compared value by value; for batch norm the sum
 * of variance and eps is, since it may be divided differently.
 */
export function computesTheSame(a: WithWeights, b: WithWeights): boolean {
  const numbering = new Numbering();
  return numbering.of(a) === numbering.of(b);
}

const windowKey = ({ kernel, stride, pad }: WindowAttrs): string =>
  JSON.stringify([shortExtent(kernel), shortExtent(stride), shortPadding(pad)]);

/** Ignores trailing dimensions of a single position. */
const shapeKey = (shape: Shape): string => shape.join(" ").replace(/(?<= .*) 1 1$/, "");

const isSingle = ({ type: { shape } }: Value): boolean => shape.slice(2).every((extent) => extent === 1);

function isMatrix([x, weight]: readonly Value[], { groups, pad }: Attrs["conv2d"]): boolean {
  return isSingle(x!) && isSingle(weight!) && groups === 1 && shortPadding(pad) === 0;
}

/** Value numbering: equal computations get the same number. */
class Numbering {
  readonly #numbers = new Map<string, number>();
  readonly #tensors = new Map<string, { readonly data: TensorData; readonly number: number }[]>();
  #next = 0;

  /** Number of the graph's output. */
  of({ graph, weights }: WithWeights): number | undefined {
    const numbers = new Map<Value, number>();
    for (const input of graph.inputs) numbers.set(input, this.#numberOf(`input ${input.type.shape.join(" ")}`));
    const ofParameter = (value: Value, plus = 0) => this.#numberOfTensor(weights.get(value.name)!, plus);
    const parameters = new Set<Value>(graph.parameters);
    for (const node of graph.nodes) {
      const inputs = node.inputs.map((value, i) => {
        if (!parameters.has(value)) return numbers.get(value)!;
        return ofParameter(value, node.op === "batchNorm" && i === 4 ? node.attrs.eps : 0);
      });
      numbers.set(node.outputs[0]!, this.#numberOfNode(node, inputs));
    }
    return numbers.get([...graph.outputs.values()][0]!);
  }

  #numberOfNode(node: AnyNode, inputs: readonly number[]): number {
    const [output] = node.outputs;
    const shape = shapeKey(output!.type.shape);
    const number = (op: string, from: readonly number[], options: readonly number[] = []) =>
      this.#numberOf(`${op} ${options.join(" ")} of ${from.join(" ")} to ${shape}`);
    const sum = (from: readonly number[]) =>
      number(
        "add",
        from.toSorted((a, b) => a - b),
      );
    switch (node.op) {
      // On a single position it equals a fully connected layer.
      case "conv2d":
        if (isMatrix(node.inputs, node.attrs)) return number("linear", inputs);
        return number(`conv2d ${windowKey({ kernel: 0, ...node.attrs })}`, inputs, [node.attrs.groups]);
      // The rounding is already reflected in the size.
      case "maxPool":
        return number(`maxPool ${windowKey(node.attrs)}`, inputs);
      case "avgPool":
        return number(`avgPool ${windowKey(node.attrs)} ${node.attrs.countPad ?? true}`, inputs);
      case "add":
        return sum(inputs);
      case "seScaleAdd":
        return sum([number("seScale", inputs.slice(0, 2)), inputs[2]!]);
      case "linear":
        return number("linear", inputs);
      case "flatten":
        return isSingle(node.inputs[0]!) ? inputs[0]! : number("flatten", inputs);
      // Both in the form of the sum below, of which seScaleAdd is one node.
      case "seScale":
      case "batchNorm":
        return number(node.op, inputs);
      default:
        return number(`${node.op} ${JSON.stringify(node.attrs)}`, inputs);
    }
  }

  #numberOf(key: string): number {
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#numbers.set(key, this.#next);
    return this.#next++;
  }

  #numberOfTensor({ shape, data }: Tensor, plus: number): number {
    const values = plus === 0 ? data : Float64Array.from(data, (value) => value + plus);
    const key = `${plus === 0 ? "exact" : "variance"} ${shapeKey(shape)}`;
    const alike = this.#tensors.get(key) ?? [];
    this.#tensors.set(key, alike);
    const tolerance = plus === 0 ? 0 : 1e-6;
    const found = alike.find(({ data: other }) => sameValues(other, values, tolerance));
    if (found !== undefined) return found.number;
    alike.push({ data: values, number: this.#next });
    return this.#next++;
  }
}

function sameValues(a: TensorData, b: TensorData, tolerance: number): boolean {
  if (a === b) return true;
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i] && !(Math.abs(a[i]! - b[i]!) <= tolerance * Math.abs(a[i]!))) return false;
  }
  return true;
}
