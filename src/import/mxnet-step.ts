/** A node of MXNet's graph during conversion, as seen by rules. */

import { type FailWhole, shownName } from "../formats/bytes.ts";
import type { MxnetNode } from "../formats/mxnet-symbol.ts";
import type { Shape, Tensor } from "../tensor.ts";
import type { Draft } from "./draft.ts";
import type { MxnetOptions } from "./mxnet-options.ts";

/** A node's output: our layer, and whether MXNet has flattened it while ours still has maps. */
export interface Made {
  readonly layer: string;
  readonly isFlat: boolean;
}

/** The converted part of the network. */
interface Surroundings {
  readonly draft: Draft;
  /** The output of the node at this place: a layer's value, or the picture. */
  valueOf(place: number, fail: FailWhole): Made;
  nodeAt(place: number): MxnetNode;
  /** A variable's array; undefined if the network has no weights. */
  arrayOf(name: string, fail: FailWhole): Tensor | undefined;
}

/** A node being converted. */
export class MxnetStep {
  readonly options: MxnetOptions;
  readonly fail: FailWhole;
  readonly isClassifier: boolean;
  readonly #net: Surroundings;
  readonly #node: MxnetNode;

  constructor(net: Surroundings, node: MxnetNode, options: MxnetOptions, fail: FailWhole, isClassifier: boolean) {
    this.#net = net;
    this.#node = node;
    this.options = options;
    this.fail = fail;
    this.isClassifier = isClassifier;
  }

  get name(): string {
    return this.#node.name;
  }

  get draft(): Draft {
    return this.#net.draft;
  }

  get inputs(): number {
    return this.#node.inputs.length;
  }

  /** The value of an input, which must be a node's first output. */
  value(i: number): Made {
    const input = this.#node.inputs[i];
    if (input === undefined) {
      return this.fail("an input is missing", { expected: `${i + 1} or more`, found: `${this.inputs} inputs` });
    }
    if (input.output !== 0) {
      this.fail("only first outputs are supported", { expected: "output 0", found: `output ${input.output}` });
    }
    return this.#net.valueOf(input.node, this.fail);
  }

  /** The layer of an input that has maps. */
  maps(i: number): string {
    const { layer, isFlat } = this.value(i);
    return isFlat
      ? this.fail("values in a row are not supported here", { expected: "maps", found: "values behind a Flatten" })
      : layer;
  }

  /** The array of this input, a variable; if the input is missing, as in files of 0.8, by its usual name. */
  array(i: number, suffix: string): Tensor | undefined {
    const input = this.#node.inputs[i];
    if (input === undefined) return this.#net.arrayOf(`${this.name}_${suffix}`, this.fail);
    const { op, name } = this.#net.nodeAt(input.node);
    return op === "null"
      ? this.#net.arrayOf(name, this.fail)
      : this.fail("weights that are computed are not supported", {
          expected: "a variable",
          found: `${shownName(name)} (${shownName(op)})`,
        });
  }

  counts(...expected: readonly number[]): void {
    if (!expected.includes(this.inputs)) {
      this.fail("it has other inputs", { expected: expected.join(" or "), found: `${this.inputs}` });
    }
  }

  set(layer: string, parameter: string, tensor: Tensor | undefined, shape: Shape): void {
    if (tensor !== undefined) this.draft.set(layer, parameter, tensor, shape, this.fail);
  }
}
