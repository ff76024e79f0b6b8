/**
 * Imports a network from MXNet's graph, node by node. The operators and their defaults are defined in
 * https://github.com/apache/mxnet/tree/master/src/operator/nn.
 */

import { type FailWhole, shownName } from "../formats/bytes.ts";
import type { MxnetNode, MxnetSymbol } from "../formats/mxnet-symbol.ts";
import { imagenetPreprocessing, type Preprocessing } from "../images/preprocess.ts";
import type { Tensor } from "../tensor.ts";
import { inputName } from "../zoo/index.ts";
import { cannotImport, Draft, type Drafted, isSinglePosition } from "./draft.ts";
import { MxnetOptions } from "./mxnet-options.ts";
import { mxnetRules } from "./mxnet-rules.ts";
import { type Made, MxnetStep } from "./mxnet-step.ts";

export interface MxnetImport extends Drafted {
  readonly notes: readonly string[];
}

/**
 * @param params the arrays of its `.params`, named as in the file or without `arg:` and `aux:`; if empty, the network
 * has no weights
 * @param where the graph's file, for errors
 * @param imageSize side of its pictures, which graphs do not contain; default: one that fits
 * @throws SenetError `weights`, naming the node and its operator, where one is not supported, and where weights are
 * missing or do not fit
 */
export function importMxnet(
  symbol: MxnetSymbol,
  params: ReadonlyMap<string, Tensor> | undefined,
  where: string,
  imageSize?: number,
): MxnetImport {
  const plain = params && new Map([...params].map(([name, tensor]) => [name.replace(/^(?:arg|aux):/, ""), tensor]));
  const translated = (side: number) => new Translation(symbol, plain, where, side);
  if (imageSize !== undefined) return { ...translated(imageSize).finish(), notes: [] };
  const [side, translation] = fitting(translated);
  const notes = [`the graph does not say how large its pictures are; ${side} by ${side} pixels are assumed`];
  return { ...translation.finish(), notes };
}

/** Pre-processing if only the side is known: raw bytes, which is usual if a batch norm comes first. */
export const usualMxnet = (imageSize: number): Preprocessing => ({
  ...imagenetPreprocessing,
  scale: 1,
  mean: [0, 0, 0],
  std: [1, 1, 1],
  resize: imageSize < 64 ? imageSize : Math.round((imageSize * 256) / 224),
  crop: imageSize,
});

/** Usual sides: ImageNet's, CIFAR's, digits', and others. */
const usualSides = [224, 32, 28, 299, 227, 64, 96, 112, 128, 256];
/**
 * Smallest final map, at 224 pixels, of a network for small pictures: those for large ones leave less, small ones 56.
 */
const fewest = 28;

/** The first side at which all layers fit; 32 if 224 leaves large maps and 32 fits too. */
function fitting(translated: (side: number) => Translation): readonly [number, Translation] {
  let large: Translation | undefined;
  let first: unknown;
  for (const side of usualSides) {
    try {
      const translation = translated(side);
      if (side !== 224 || translation.smallest <= fewest) return [side, translation];
      large = translation;
    } catch (error) {
      first ??= error;
    }
    if (side === 32 && large !== undefined) return [224, large];
  }
  throw first;
}

class Translation {
  readonly draft: Draft;
  /** Smallest side of any map with more than one position. */
  smallest: number;
  readonly #symbol: MxnetSymbol;
  readonly #params: ReadonlyMap<string, Tensor> | undefined;
  readonly #where: string;
  readonly #made = new Map<number, Made>();
  readonly #last: Made;
  #picture: number | undefined;

  constructor(symbol: MxnetSymbol, params: ReadonlyMap<string, Tensor> | undefined, where: string, side: number) {
    this.#symbol = symbol;
    this.#params = params;
    this.#where = where;
    this.smallest = side;
    const { nodes, heads } = symbol;
    const [head] = heads;
    const fail = cannotImport(where);
    if (heads.length > 1) {
      fail("a network of several outputs cannot be imported", { expected: "1 head", found: `${heads.length}` });
    }
    const needed = [...neededBy(symbol, head!.node)].sort((a, b) => a - b);
    this.draft = new Draft("network", side, this.#channels(needed));
    const classifier = needed.findLast((place) => !isPassing(nodes[place]!.op));
    for (const place of needed) if (nodes[place]!.op !== "null") this.#take(place, place === classifier);
    this.#last =
      this.#made.get(head!.node) ?? fail("the graph is a variable alone", { expected: "layers", found: "none" });
  }

  finish = (): Drafted => this.draft.finish(this.#last.layer, this.#where);

  /** Input channels: as many as the first weights take. */
  #channels(needed: readonly number[]): number {
    for (const place of needed) {
      const { op, inputs } = this.#symbol.nodes[place]!;
      const weight = inputs[1] && this.#params?.get(this.#symbol.nodes[inputs[1].node]!.name);
      if (weight === undefined || (op !== "Convolution" && op !== "BatchNorm")) continue;
      return (op === "Convolution" ? weight.shape[1] : weight.shape[0]) || 3;
    }
    return 3;
  }

  #take(place: number, isClassifier: boolean): void {
    const node = this.#symbol.nodes[place]!;
    const fail = cannotImport(`${this.#where}: node ${shownName(node.name)} (${shownName(node.op)})`);
    const rule = Object.hasOwn(mxnetRules, node.op) ? mxnetRules[node.op] : undefined;
    if (rule === undefined) {
      fail("nodes of this operator cannot be imported", {
        expected: Object.keys(mxnetRules).join(", "),
        found: shownName(node.op),
        hint: "export the network as ONNX in MXNet (mx.onnx.export_model), or give its weights alone under known names",
      });
    }
    const options = new MxnetOptions(node.options, fail);
    const step = new MxnetStep(this, node, options, fail, isClassifier);
    const made = rule!(step);
    options.finish();
    const shape = this.draft.shapeOf(made.layer);
    if (!isSinglePosition(shape) && shape.length === 4) this.smallest = Math.min(this.smallest, shape[2]!, shape[3]!);
    this.#made.set(place, made);
  }

  /** A node's output: a layer's value, or the picture. */
  valueOf(place: number, fail: FailWhole): Made {
    const made = this.#made.get(place);
    if (made !== undefined) return made;
    const { name } = this.#symbol.nodes[place]!;
    if (this.#picture !== undefined && this.#picture !== place) {
      fail("a network of several inputs cannot be imported", {
        expected: "one, the pictures",
        found: `${shownName(this.#symbol.nodes[this.#picture]!.name)} and ${shownName(name)}`,
      });
    }
    this.#picture = place;
    return { layer: inputName, isFlat: false };
  }

  nodeAt = (place: number): MxnetNode => this.#symbol.nodes[place]!;

  /** A variable's array; undefined if the network has no weights. */
  arrayOf(name: string, fail: FailWhole): Tensor | undefined {
    if (this.#params === undefined) return undefined;
    const found = this.#params.get(name);
    if (found !== undefined) return found;
    return fail("the weights do not have its array", {
      expected: shownName(name),
      found: [...this.#params.keys()].slice(0, 3).map(shownName).join(", ") || "none",
      hint: "give the .params that was saved with this graph",
    });
  }
}

/** All nodes that a node's output depends on, including itself. Labels only go into losses. */
function neededBy({ nodes }: MxnetSymbol, last: number): Set<number> {
  const needed = new Set<number>();
  const next = [last];
  for (let place = next.pop(); place !== undefined; place = next.pop()) {
    if (needed.has(place)) continue;
    needed.add(place);
    const { op, inputs } = nodes[place]!;
    for (const { node } of isEnd(op) ? inputs.slice(0, 1) : inputs) next.push(node);
  }
  return needed;
}

const isEnd = (op: string): boolean => /^(?:SoftmaxOutput|Softmax|softmax|SoftmaxActivation|log_softmax)$/.test(op);

/** Operators after a classifier that do not change its values and their order. */
const isPassing = (op: string): boolean => isEnd(op) || /^(?:null|Dropout|identity|_copy|BlockGrad|Flatten)$/.test(op);
