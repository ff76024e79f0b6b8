/** Builds a network of family `layers` during an import, layer by layer, with or without weights. */

import { SenetError } from "../errors.ts";
import { type Fail, type FailWhole, failAt, failTrying, shownName } from "../formats/bytes.ts";
import { type Shape, sameShape, sizeOf, type Tensor, withoutOnes } from "../tensor.ts";
import { checkDemands } from "../zoo/demands.ts";
import { inferenceGraph, inputName, layerBuilder, type Model } from "../zoo/index.ts";
import type { LayerConfig, UnplacedLayer } from "../zoo/layer.ts";

/** The error for a network that cannot be imported, at one of its layers or as a whole. */
export const cannotImport = (where: string): FailWhole =>
  failTrying(
    where,
    "export the network as ONNX, which tells all of it, or give its weights alone under the names of a known one",
  );

export interface Drafted {
  readonly model: Model;
  /** Side of its pictures. */
  readonly imageSize: number;
  readonly weights: Map<string, Tensor>;
}

export class Draft {
  readonly #name: string;
  readonly #imageSize: number;
  readonly #channels: number;
  readonly #builder: ReturnType<typeof layerBuilder>;
  readonly #shapes = new Map<string, Shape>();
  readonly #layers: LayerConfig[] = [];
  /** Tensors by our parameters' names. */
  readonly #tensors = new Map<string, Tensor>();

  constructor(name: string, imageSize: number, channels: number) {
    this.#name = name;
    this.#imageSize = imageSize;
    this.#channels = channels;
    this.#builder = layerBuilder(name, imageSize, channels);
    this.#shapes.set(inputName, [1, channels, imageSize, imageSize]);
  }

  /** Shape of a layer's value, or the picture's: `[1, C, H, W]`, or `[1, C]` after the end of the network. */
  shapeOf(layer: string): Shape {
    return this.#shapes.get(layer)!;
  }

  /** Adds a layer and returns its name. */
  add(name: string, layer: UnplacedLayer, inputs: readonly string[], fail: FailWhole): string {
    const whole = { ...layer, name, inputs } as LayerConfig;
    if (name === "" || name === inputName) {
      fail("a layer cannot have this name", { expected: `any but "" and "${inputName}"`, found: shownName(name) });
    }
    try {
      this.#shapes.set(name, this.#builder.add(whole).type.shape);
    } catch (cause) {
      if (!(cause instanceof SenetError)) throw cause;
      const shapes = inputs.map((input) => `[${this.shapeOf(input).join(", ")}]`).join(" and ");
      const expected = `one for ${shapes}`;
      fail("the layer does not fit those before it", { expected, found: cause.message.split("\n"), cause });
    }
    this.#layers.push(whole);
    return name;
  }

  /**
   * Sets a weight of an added layer.
   * @param shape the expected shape, ignoring dimensions of 1
   */
  set(layer: string, parameter: string, tensor: Tensor, shape: Shape, fail: FailWhole): void {
    if (!sameShape(withoutOnes(tensor.shape), withoutOnes(shape))) {
      fail(`the weights do not fit this layer (its ${parameter})`, {
        expected: `[${shape.join(", ")}]`,
        found: `[${tensor.shape.join(", ")}]`,
      });
    }
    this.#tensors.set(`${layer}.${parameter}`, tensor);
  }

  /** @param last the layer with the logits; layers that it does not need are left out */
  finish(last: string, where: string): Drafted {
    const fail = cannotImport(where);
    if (last === inputName) {
      fail("no output of the network depends on its picture", {
        expected: "layers from one to the other",
        found: "none",
      });
    }
    checkClassified(this.shapeOf(last), last, failAt(where));
    if (this.shapeOf(last).length > 2) {
      return this.finish(this.add(`${last}.flatten`, { kind: "flatten" }, [last], fail), where);
    }
    const needed = new Set([last]);
    const layers: LayerConfig[] = [];
    for (const config of this.#layers.toReversed()) {
      if (!needed.has(config.name)) continue;
      layers.push(config);
      for (const input of config.inputs) needed.add(input);
    }
    const [imageSize, channels] = [this.#imageSize, this.#channels];
    const model: Model = {
      name: this.#name,
      config: {
        family: "layers",
        imageSize,
        ...(channels !== 3 && { channels }),
        layers: layers.toReversed(),
      },
      classes: this.shapeOf(last)[1]!,
    };
    const graph = inferenceGraph(model, { batch: 1, imageSize });
    checkDemands(graph, where);
    const weights = new Map<string, Tensor>();
    for (const { name, type } of graph.parameters) {
      const found = this.#tensors.get(name);
      // A graph may be imported without weights.
      if (found === undefined) continue;
      const data = found.data instanceof Float32Array ? found.data : Float32Array.from(found.data);
      weights.set(name, { dtype: "float32", shape: type.shape, data });
    }
    return { model, imageSize, weights };
  }
}

/** Most output values that may be classes. */
const mostPixels = 10_000;

/** Refuses networks that end before their classifier, for which each output value would be a class. */
export function checkClassified(shape: Shape, layer: string, fail: Fail): void {
  if (sizeOf(shape.slice(2)) === 1 || sizeOf(shape) <= mostPixels) return;
  fail("this is a part of a network, which ends before its classifier", {
    expected: "a number for each class",
    found: `[${shape.join(", ")}] from ${shownName(layer)}`,
    hint: "give the whole network, or its weights as those of a known one",
  });
}

/** A tensor filled with one value. */
export const filled = (length: number, value: number): Tensor => ({
  dtype: "float32",
  shape: [length],
  data: new Float32Array(length).fill(value),
});

export const isSinglePosition = (shape: Shape): boolean => shape.length === 4 && sizeOf(shape.slice(2)) === 1;
