/**
 * Finds the operations of a graph in QDQ form (ir/ops.ts, `quantize`) that become one node in eight bits. Values that
 * are dequantised only for them, or quantised right after them, never exist in float32.
 */

import type { AnyNode, Node, Value } from "../../ir/graph.ts";
import type { Op } from "../../ir/ops.ts";
import type { GraphUses } from "../../ir/uses.ts";
import type { EightBitAttrs, FusedKind, FusedNode } from "./fused.ts";

type Found = FusedNode<keyof EightBitAttrs & FusedKind>;

export class EightBits {
  readonly #uses: GraphUses;
  readonly #found = new Map<AnyNode, Found | undefined>();

  constructor(uses: GraphUses) {
    this.#uses = uses;
  }

  /** The eight-bit node that starts with this operation. */
  of(node: AnyNode): Found | undefined {
    if (!this.#found.has(node)) this.#found.set(node, this.#find(node));
    return this.#found.get(node);
  }

  /** Whether the result of this operation is unused, since all its readers take the eight-bit value. */
  isUnread(node: Node<"dequantize"> | Node<"dequantizeWeight">): boolean {
    const value = node.outputs[0]!;
    const users = this.#uses.users(value);
    // A result of the graph has one read that is not a node's.
    const isResult = this.#uses.reads(value) > users.reduce((sum, user) => sum + count(user.inputs, value), 0);
    const eight = node.inputs[0]!;
    return !isResult && users.every((user) => this.of(user)?.inputs.includes(eight) || this.of(user)?.sum === eight);
  }

  #find(node: AnyNode): Found | undefined {
    const [first, second, third] = node.inputs;
    switch (node.op) {
      case "conv2d":
      case "linear": {
        const x = this.#eight(first!);
        const w = this.#uses.maker(second!, "dequantizeWeight");
        if (x === undefined || w === undefined) return undefined;
        const inputs = [x.value, ...w.inputs, ...(third === undefined ? [] : [third])];
        if (node.op === "linear") return this.#finished("linearInt8", node, { src: x.scale }, { inputs });
        return this.#finished("conv2dInt8", node, { ...node.attrs, src: x.scale }, { inputs });
      }
      case "seScale":
      case "seScaleAdd": {
        const branch = this.#eight(second!);
        const sum = third && this.#eight(third);
        if (branch === undefined || (third !== undefined && sum === undefined)) return undefined;
        const attrs = { src: branch.scale, ...(sum && { sum: sum.scale }) };
        return this.#finished("scaleInt8", node, attrs, { inputs: [first!, branch.value], sum: sum?.value });
      }
      case "add": {
        const [a, b] = [this.#eight(first!), this.#eight(second!)];
        if (a === undefined || b === undefined) return undefined;
        return this.#finished("addInt8", node, { src: a.scale, sum: b.scale }, { inputs: [a.value], sum: b.value });
      }
      case "maxPool": {
        const x = this.#eight(first!);
        const quantize = this.#uses.onlyUser(node.outputs[0]!, "quantize");
        // Maximum and rounding commute, if both have the same scale.
        if (x === undefined || quantize?.attrs.scale !== x.scale) return undefined;
        if (quantize.outputs[0]!.type.dtype !== x.value.type.dtype) return undefined;
        const { name, attrs } = node;
        const ops = [node, quantize as AnyNode];
        return { kind: "maxPoolInt8", name, ops, inputs: [x.value], attrs, outputs: quantize.outputs };
      }
      case "globalAvgPool": {
        const x = this.#eight(first!);
        // Products combine unsigned with signed numbers: here the picture with ones.
        if (x === undefined || x.value.type.dtype !== "int8") return undefined;
        const { name, outputs } = node;
        return { kind: "meanInt8", name, ops: [node], inputs: [x.value], attrs: { src: x.scale }, outputs };
      }
      default:
        return undefined;
    }
  }

  /** Adds the ReLU and the rounding, if nothing else reads the result. */
  #finished<K extends Exclude<keyof EightBitAttrs, "maxPoolInt8" | "meanInt8">>(
    kind: K,
    node: AnyNode,
    attrs: EightBitAttrs[K],
    { inputs, sum }: { readonly inputs: readonly Value[]; readonly sum?: Value | undefined },
  ): Found {
    const relu = this.#uses.onlyUser(node.outputs[0]!, "relu");
    const result = (relu ?? node).outputs[0]!;
    const quantize = this.#uses.onlyUser(result, "quantize");
    const fused = {
      kind,
      name: node.name,
      ops: [node, relu, quantize].filter((op) => op !== undefined) as AnyNode[],
      inputs,
      ...(sum && { sum }),
      ...(relu && { activation: "relu" }),
      attrs: { ...attrs, ...(quantize && { dst: quantize.attrs.scale }) },
      outputs: [quantize?.outputs[0] ?? result],
    };
    return fused as unknown as Found;
  }

  /** The eight-bit value from which a value was dequantised. */
  #eight(value: Value): { readonly value: Value; readonly scale: number } | undefined {
    const node = this.#uses.maker(value, "dequantize");
    return node && { value: node.inputs[0]!, scale: node.attrs.scale };
  }
}

const count = <T>(values: readonly T[], wanted: T): number => values.filter((value) => value === wanted).length;

/** Operations that only convert eight bits to float32. */
export const isDequantizing = (node: AnyNode): node is Extract<AnyNode, { op: "dequantize" | "dequantizeWeight" }> =>
  (["dequantize", "dequantizeWeight"] as Op[]).includes(node.op);
