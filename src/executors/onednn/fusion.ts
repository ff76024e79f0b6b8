/**
 * Fuses operations of a graph into nodes that the library computes at once. The decisions depend only on producers and
 * consumers of values, and are made before anything is lowered.
 *
 * A fused node replaces its operations, if possible in one pass over memory: a convolution adds its bias and a shortcut
 * and applies the activation; a batch norm includes its ReLU in both directions; a weight gradient includes the bias's.
 * An operation that takes the library two passes, such as the gate's gradient, becomes two nodes.
 */

import type { AnyNode, Graph, Node, Value } from "../../ir/graph.ts";
import type { ConvAttrs, PoolAttrs } from "../../ir/ops.ts";
import { GraphUses } from "../../ir/uses.ts";
import { shortExtent, shortPadding } from "../../ir/window.ts";
import type { Shape } from "../../tensor.ts";
import { EightBits, isDequantizing } from "./eight-bits.ts";
import type { Activation, FusedAttrs, FusedGraph, FusedKind, FusedNode } from "./fused.ts";
import { layoutOf, type Standing } from "./spec.ts";

/** Activations that any primitive can apply to its result. */
const activations: readonly Activation[] = ["relu", "sigmoid", "silu", "mish"];

/**
 * @param standing the plan's layout of pictures: a sum needs values whose layouts are known in advance
 * @param inEightBits whether to compute quantised layers in eight bits; otherwise they are converted to float32
 */
export function fuse(graph: Graph, standing: Standing, inEightBits = false): FusedGraph {
  const fusion = new Fusion(graph, standing, inEightBits);
  return { graph, nodes: graph.nodes.flatMap((node) => fusion.take(node)) };
}

/** Whether a convolution is a fully connected layer: 1×1 on a single position. */
function isLinear(picture: Shape, kernel: Shape, { pad, groups }: ConvAttrs): boolean {
  return (
    groups === 1 && shortPadding(pad) === 0 && [...picture.slice(2), ...kernel.slice(2)].every((extent) => extent === 1)
  );
}

const isSamePool = (a: PoolAttrs, b: PoolAttrs): boolean => poolKey(a) === poolKey(b);
const poolKey = ({ kernel, stride, pad, ceil }: PoolAttrs): string =>
  JSON.stringify([shortExtent(kernel), shortExtent(stride), shortPadding(pad), ceil]);

/** Turns an operation into a node of another kind, or with other parts. */
function become<K extends FusedKind>(
  kind: K,
  node: Node,
  attrs: FusedAttrs[K],
  parts: Partial<Omit<FusedNode<K>, "kind" | "attrs">> = {},
): FusedNode<K> {
  const { name, inputs, outputs } = node;
  return { kind, name, ops: [node as AnyNode], inputs, attrs, outputs, ...parts };
}

class Fusion extends GraphUses {
  readonly #standing: Standing;
  /** Values computed before the next node. */
  readonly #ready: Set<Value>;
  /** The nodes so far, by the operations they replace. */
  readonly #holders = new Map<AnyNode, FusedNode>();
  /** The shares of means, by the gradients that they stand for. */
  readonly #shares = new Map<Value, Value>();
  readonly #eightBits: EightBits | undefined;

  constructor(graph: Graph, standing: Standing, inEightBits: boolean) {
    super(graph);
    this.#standing = standing;
    this.#eightBits = inEightBits ? new EightBits(this) : undefined;
    this.#ready = new Set([...graph.inputs, ...graph.parameters]);
  }

  /** The nodes for an operation: none if an earlier node covers it, or a later one will. */
  take(node: AnyNode): readonly FusedNode[] {
    if (this.#holders.has(node)) return [];
    const nodes = this.#nodesOf(node);
    for (const fused of nodes) {
      for (const op of fused.ops) this.#holders.set(op, fused);
      for (const output of fused.outputs) this.#ready.add(output);
    }
    return nodes;
  }

  #nodesOf(node: AnyNode): readonly FusedNode[] {
    const inEightBits = this.#eightBits?.of(node);
    if (inEightBits !== undefined) return [inEightBits];
    if (isDequantizing(node) && this.#eightBits?.isUnread(node) === true) return [];
    switch (node.op) {
      case "conv2d":
        return [this.#activated(this.#summed(convolution(node)), ...activations)];
      case "conv2dBackwardInput":
        return [
          isLinear(node.attrs.inputShape, node.inputs[1]!.type.shape, node.attrs)
            ? become("linearBackwardInput", node, {})
            : become(node.op, node, node.attrs),
        ];
      case "conv2dBackwardWeight":
        return [
          this.#withBias(
            isLinear(node.inputs[0]!.type.shape, node.attrs.weightShape, node.attrs)
              ? become("linearBackwardWeight", node, {})
              : become(node.op, node, node.attrs),
          ),
        ];
      case "linear":
        return [this.#activated(become(node.op, node, node.attrs), ...activations)];
      case "linearBackwardWeight":
        return [this.#withBias(become(node.op, node, node.attrs))];
      case "batchNorm":
      case "batchNormTraining":
        return [this.#activated(become(node.op, node, node.attrs), "relu")];
      case "reluBackward": {
        const norm = this.onlyUser(node.outputs[0]!, "batchNormBackward");
        return norm !== undefined && this.#throughRelu(norm) === node ? [] : [become(node.op, node, node.attrs)];
      }
      case "batchNormBackward":
        return [this.#normBackward(node)];
      case "maxPool": {
        const workspace = this.users(node.inputs[0]!).some(
          (user) => user.op === "maxPoolBackward" && this.#poolOf(user) === node,
        );
        return [become(node.op, node, { ...node.attrs, workspace })];
      }
      case "maxPoolBackward": {
        const pool = this.#poolOf(node);
        return [become(node.op, node, node.attrs, { forward: pool && this.#holders.get(pool) })];
      }
      case "seScale":
        return [this.#activated(become("scale", node, {}), ...activations)];
      case "seScaleAdd": {
        const [gate, branch, sum] = node.inputs as [Value, Value, Value];
        return [this.#activated(become("scale", node, {}, { inputs: [gate, branch], sum }), ...activations)];
      }
      case "seScaleBackward":
        return this.#scaleBackward(node);
      case "globalAvgPoolBackward":
        return [this.#meanBackward(node)];
      case "add": {
        const gated = this.#gatedSum(node);
        if (gated === undefined) return [this.#activated(become(node.op, node, node.attrs), ...activations)];
        const sum = this.#shares.get(gated.mean.outputs[0]!);
        return [become("scale", node, {}, { ...branchGradient(gated.scale), sum, ops: [gated.scale, node] })];
      }
      default:
        return [become(node.op, node, node.attrs)];
    }
  }

  /** Adds the activation, if nothing else reads the first output. */
  #activated<K extends FusedKind>(node: FusedNode<K>, ...served: readonly Activation[]): FusedNode<K> {
    const [output, ...others] = node.outputs;
    for (const activation of served) {
      const user = this.onlyUser(output!, activation) as AnyNode | undefined;
      if (user === undefined) continue;
      return { ...node, activation, outputs: [user.outputs[0]!, ...others], ops: [...node.ops, user] };
    }
    return node;
  }

  /** Adds the shortcut to a convolution, if nothing else reads its output and the shortcut is computed before. */
  #summed<K extends FusedKind>(node: FusedNode<K>): FusedNode<K> {
    const output = node.outputs[0]!;
    const add = this.onlyUser(output, "add") as AnyNode | undefined;
    const sum = add?.inputs.find((input) => input !== output);
    // Row-major pictures are converted to whatever layout the primitive chooses, which no other value has.
    const isFixed = node.kind === "conv2d" && layoutOf(output.type.shape, this.#standing) !== "plain";
    if (add === undefined || sum === undefined || !isFixed || !this.#ready.has(sum)) return node;
    return { ...node, sum, outputs: add.outputs, ops: [...node.ops, add] };
  }

  /** Adds the bias's gradient, which comes later in the graph, to a weight gradient. */
  #withBias<K extends FusedKind>(node: FusedNode<K>): FusedNode<K> {
    const users = this.users(node.inputs[1]!);
    const behind = users.slice(users.indexOf(node.ops[0]!) + 1);
    const sum = behind.find((user) => user.op === "channelSum" && !this.#holders.has(user));
    if (sum === undefined) return node;
    return { ...node, outputs: [...node.outputs, sum.outputs[0]!], ops: [...node.ops, sum] };
  }

  /** The ReLU gradient that a batch norm's gradient can include: that of the ReLU fused into the forward norm. */
  #throughRelu(norm: Node<"batchNormBackward">): Node<"reluBackward"> | undefined {
    const [, , mean, , dy] = norm.inputs;
    const forward = this.maker(mean!, "batchNormTraining");
    const gradient = this.maker(dy!, "reluBackward");
    if (forward === undefined || gradient === undefined || this.onlyUser(dy!, norm.op) !== norm) return undefined;
    const relu = this.onlyUser(forward.outputs[0]!, "relu");
    return relu !== undefined && this.maker(gradient.inputs[0]!, "relu") === relu ? gradient : undefined;
  }

  /** The forward node is found by the batch's mean, which both have. */
  #normBackward(node: Node<"batchNormBackward">): FusedNode {
    const [x, gamma, mean, variance] = node.inputs as [Value, Value, Value, Value];
    const through = this.#throughRelu(node);
    const norm = this.maker(mean, "batchNormTraining") as AnyNode | undefined;
    const forward = norm && this.#holders.get(norm);
    if (through === undefined) {
      return become(node.op, node, node.attrs, { forward: forward?.activation === undefined ? forward : undefined });
    }
    return become(node.op, node, node.attrs, {
      inputs: [x, gamma, mean, variance, through.inputs[1]!],
      activation: "relu",
      forward,
      ops: [through, node] as AnyNode[],
    });
  }

  /** The pooling whose gradient this is. */
  #poolOf(node: Node<"maxPoolBackward">): AnyNode | undefined {
    const users = this.users(node.inputs[0]!);
    const before = users.slice(0, users.indexOf(node as AnyNode));
    return before.find((user) => user.op === "maxPool" && isSamePool(user.attrs, node.attrs));
  }

  /**
   * A branch's gradient is the scale's plus the squeeze's. The latter is the same for all positions of a channel, so
   * one number per channel is added on the way.
   */
  #gatedSum(
    add: Node<"add">,
  ): { readonly scale: Node<"seScaleBackward">; readonly mean: Node<"globalAvgPoolBackward"> } | undefined {
    const isOnlyHere = add.inputs.every((input) => this.onlyUser(input, "add") === add);
    const pairs = [add.inputs, add.inputs.toReversed()] as [Value, Value][];
    for (const [branch, other] of pairs) {
      const scale = this.maker(branch, "seScaleBackward");
      const mean = this.maker(other, "globalAvgPoolBackward");
      if (isOnlyHere && scale?.outputs[1] === branch && mean !== undefined) return { scale, mean };
    }
    return undefined;
  }

  #scaleBackward(node: Node<"seScaleBackward">): readonly FusedNode[] {
    const [, branch, dy] = node.inputs as [Value, Value, Value];
    const [dgate, dbranch] = node.outputs as [Value, Value];
    const gradient = become("gateGradient", node, {}, { inputs: [branch, dy], outputs: [dgate] });
    const sum = this.onlyUser(dbranch, "add");
    if (sum !== undefined && this.#gatedSum(sum) !== undefined) return [gradient];
    return [gradient, become("scale", node, {}, { ...branchGradient(node), outputs: [dbranch] })];
  }

  #meanBackward(node: Node<"globalAvgPoolBackward">): FusedNode {
    const dx = node.outputs[0]!;
    const sum = this.onlyUser(dx, "add");
    if (sum === undefined || this.#gatedSum(sum) === undefined) return become(node.op, node, node.attrs);
    const [, , height, width] = node.attrs.inputShape as [number, number, number, number];
    const share = { name: `${dx.name}.share`, type: node.inputs[0]!.type };
    this.#shares.set(dx, share);
    return become("share", node, { positions: height * width }, { outputs: [share] });
  }
}

const convolution = (node: Node<"conv2d">): FusedNode<"conv2d"> | FusedNode<"linear"> =>
  isLinear(node.inputs[0]!.type.shape, node.inputs[1]!.type.shape, node.attrs)
    ? become("linear", node, {})
    : become("conv2d", node, node.attrs);

/** `gate · dy` */
const branchGradient = ({ inputs: [gate, , dy] }: Node<"seScaleBackward">) => ({ inputs: [gate!, dy!] });
