import { SenetError } from "../errors.ts";
import { failAt, shownName } from "../formats/bytes.ts";
import type { CaffeLayer } from "../formats/caffemodel.ts";
import { type Shape, sameShape, type Tensor, withoutOnes } from "../tensor.ts";
import { type inferenceGraph, inputName, layerBuilder } from "../zoo/index.ts";
import type { LayerConfig, UnplacedLayer } from "../zoo/layer.ts";
import { type Network, picture, type Step } from "./caffe-layers.ts";
import { checkClassified } from "./draft.ts";

/** Builds our layers from Caffe's, with their weights. */
export class CaffeTranslation {
  readonly #builder: ReturnType<typeof layerBuilder>;
  /** All layers of each name. */
  readonly #caffe = new Map<string, CaffeLayer[]>();
  /** Number of layers of each name in the definition. */
  readonly #counts = new Map<string, number>();
  readonly #layers: LayerConfig[] = [];
  /** Tensors by our parameters' names. */
  readonly #tensors = new Map<string, Tensor>();
  /** Names of our layers, by step. */
  readonly #placed = new Map<Step, string>();
  readonly #shapes = new Map<string, Shape>();
  readonly #missing: string[] = [];

  constructor(name: string, imageSize: number, network: Network, layers: readonly CaffeLayer[]) {
    this.#builder = layerBuilder(name, imageSize);
    for (const layer of layers) {
      if (layer.blobs.length === 0) continue;
      const same = this.#caffe.get(layer.name);
      if (same === undefined) this.#caffe.set(layer.name, [layer]);
      else same.push(layer);
    }
    for (const { given, nth } of network.steps) this.#counts.set(given, nth + 1);
    this.#shapes.set(inputName, [1, 3, imageSize, imageSize]);
  }

  /** Records the name of our layer that has the output of `step`. */
  place(step: Step, name: string): void {
    this.#placed.set(step, name);
  }

  /** The name of our layer for `step`. */
  nameOf(step: Step): string {
    if (step.type === picture) return inputName;
    return this.#placed.get(step) ?? step.fail("its output is neither a picture nor made from one");
  }

  /** `[1,C,H,W]` */
  shapeOf(name: string): readonly [number, number, number, number] {
    return this.#shapes.get(name) as unknown as readonly [number, number, number, number];
  }

  /** Adds a layer and returns its name. */
  add(step: Step, layer: UnplacedLayer, inputs: readonly string[], name: string = step.name): string {
    const whole = { ...layer, name, inputs } as LayerConfig;
    try {
      if (name === "" || name === inputName) step.fail("a layer cannot have this name", { found: shownName(name) });
      this.#shapes.set(name, this.#builder.add(whole).type.shape);
    } catch (cause) {
      if (!(cause instanceof SenetError) || cause.code === "weights") throw cause;
      step.fail("the layer does not fit those before it", { found: cause.message.split("\n"), cause });
    }
    this.#layers.push(whole);
    return name;
  }

  /** The layer's weights, with one of the given numbers of blobs; recorded as missing if there are none. */
  blobsOf(step: Step, ...counts: readonly number[]): CaffeLayer | undefined {
    const layer = this.#layerOf(step);
    if (layer === undefined) this.#missing.push(`${step.name} (${step.type}), ${counts[0]} blobs`);
    else if (!counts.includes(layer.blobs.length)) {
      step.fail("the weights are not this layer's", {
        expected: `${counts.join(" or ")} blobs`,
        found: `${layer.blobs.length} in ${layer.definition.where}`,
      });
    }
    return layer;
  }

  /**
   * Layers with the same name have their weights in order. If the file has more, Caffe uses the last one (as if a layer
   * was saved for both phases).
   */
  #layerOf({ given, nth }: Step): CaffeLayer | undefined {
    const all = this.#caffe.get(given);
    if (all === undefined) return undefined;
    return all.length === this.#counts.get(given) ? all[nth] : nth === 0 ? all.at(-1) : undefined;
  }

  /** Scale layers merged into batch norms. */
  readonly merged = new Map<Step, Step>();

  /** @param shape the expected shape, ignoring dimensions of 1 */
  set(step: Step, parameter: string, blob: Tensor | undefined, shape: Shape): void {
    if (blob === undefined) return;
    if (!sameShape(withoutOnes(blob.shape), withoutOnes(shape))) {
      step.fail(`the weights do not fit this layer (its ${parameter})`, {
        expected: `[${shape.join(", ")}]`,
        found: `[${blob.shape.join(", ")}]`,
      });
    }
    this.#tensors.set(`${step.name}.${parameter}`, blob);
  }

  /** Returns the layers, ending in logits. */
  finish(logits: Step): { readonly config: readonly LayerConfig[]; readonly classes: number } {
    const last = this.nameOf(logits);
    checkClassified(this.shapeOf(last), last, logits.fail);
    // In the form that Softmax takes.
    if (this.shapeOf(last).length > 2) this.add(logits, { kind: "flatten" }, [last], `${last}/flatten`);
    const classes = this.#shapes.get(this.#layers.at(-1)!.name)![1]!;
    return { config: this.#layers, classes };
  }

  /** All weights, in our shapes. */
  weights(parameters: ReturnType<typeof inferenceGraph>["parameters"], where: string): Map<string, Tensor> {
    if (this.#missing.length > 0) {
      failAt(where)("the caffemodel has no weights for layers of this definition", {
        found: [`${this.#missing.length} missing`, ...this.#missing],
        hint: "the prototxt that the caffemodel was made with",
      });
    }
    return new Map(
      parameters.map(({ name, type: { shape } }) => {
        const { data } = this.#tensors.get(name)!;
        return [name, { dtype: "float32", shape, data: data instanceof Float32Array ? data : Float32Array.from(data) }];
      }),
    );
  }
}
