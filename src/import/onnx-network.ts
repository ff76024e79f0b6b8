/**
 * Imports a network from an ONNX graph, operation by operation, for files whose tensor names are not informative:
 * PyTorch's exporter, like ours, folds batch norms and numbers the results.
 *
 * Supports the operations that exporters produce for residual networks, with or without squeeze and excitation, as
 * defined at https://onnx.ai/onnx/operators/.
 */

import { SenetError } from "../errors.ts";
import { type Fail, failAt, shownName } from "../formats/bytes.ts";
import type { OnnxInput, OnnxNode } from "../formats/onnx-graph.ts";
import type { OnnxModel } from "../formats/onnx-initialisers.ts";
import { type Shape, sameShape, type Tensor, withoutOnes } from "../tensor.ts";
import { checkDemands } from "../zoo/demands.ts";
import { inferenceGraph, inputName, layerBuilder, type Model } from "../zoo/index.ts";
import type { LayerConfig, UnplacedLayer } from "../zoo/layer.ts";
import { checkClassified } from "./draft.ts";
import { normalizationOf } from "./onnx-affine.ts";
import { onnxRules } from "./onnx-rules.ts";
import { type Affine, type Flow, type OnnxValue, Step, type Surroundings } from "./onnx-step.ts";
import type { MeanAndDeviation } from "./own-normalization.ts";

export interface OnnxImport {
  /** A model of family `layers`. */
  readonly model: Model;
  /** Side of its pictures. */
  readonly imageSize: number;
  readonly weights: Map<string, Tensor>;
  /** Mean and deviation, if the graph normalises pictures itself. */
  readonly normalization?: MeanAndDeviation;
  /** Whether it has squeeze and excitation. */
  readonly hasGates: boolean;
}

export interface OnnxImportOptions {
  readonly name?: string;
  /** Side of pictures, for a graph that takes any. */
  readonly imageSize?: number;
}

/**
 * Imports the network, without a final Softmax.
 * @param where the file, for errors
 * @throws SenetError `weights`, naming the node, where one is not supported
 */
export function importOnnxNetwork(onnx: OnnxModel, where: string, options: OnnxImportOptions = {}): OnnxImport {
  const picture = pictureOf(onnx, where);
  const { side, channels, isChannelsLast } = extentsOf(picture, where);
  const imageSize = side ?? options.imageSize ?? 224;
  const name = options.name ?? "network";
  const translation = new Translation(name, imageSize, channels, { ...picture, isChannelsLast }, onnx, where);
  for (const node of onnx.nodes) translation.take(node);
  const { layers, classes, tensors } = translation.finish(onnx.outputs);
  const model: Model = {
    name,
    config: { family: "layers", imageSize, ...(channels !== 3 && { channels }), layers },
    classes,
  };
  const weights = new Map<string, Tensor>();
  const graph = inferenceGraph(model, { batch: 1, imageSize });
  checkDemands(graph, where);
  for (const { name, type } of graph.parameters) {
    const found = tensors.get(name)!;
    if (!sameShape(withoutOnes(found.shape), withoutOnes(type.shape))) {
      failAt(where)("the graph's weights do not fit its layers", {
        expected: `${name} [${type.shape.join(", ")}]`,
        found: `[${found.shape.join(", ")}]`,
      });
    }
    const data = found.data instanceof Float32Array ? found.data : Float32Array.from(found.data);
    weights.set(name, { dtype: "float32", shape: type.shape, data });
  }
  const { affine } = translation;
  const normalization = affine && normalizationOf(affine);
  if (affine !== undefined && normalization === undefined) {
    failAt(where)("the graph changes pictures by more than a mean and a deviation", {
      found: `times ${affine.scale.join(", ")}, plus ${affine.shift.join(", ")}`,
    });
  }
  const hasGates = layers.some(({ kind }) => kind === "seScale");
  return { model, imageSize, weights, hasGates, ...(normalization && { normalization }) };
}

function pictureOf({ inputs }: OnnxModel, where: string): OnnxInput {
  const [picture, ...others] = inputs;
  if (picture !== undefined && others.length === 0) return picture;
  return failAt(where)("the graph takes something other than one picture", {
    expected: "one input",
    found:
      inputs.length === 0
        ? "none"
        : inputs
            .slice(0, 5)
            .map(({ name }) => shownName(name))
            .join(", "),
  });
}

/** The picture's side, if given, and its channels: three if not given. */
function extentsOf(
  { shape }: OnnxInput,
  where: string,
): { readonly side: number | undefined; readonly channels: number; readonly isChannelsLast: boolean } {
  const isPicture = (channels: number, height?: number, width?: number) =>
    shape.length === 4 && channels > 0 && channels <= mostChannels && height === width && (height ?? 1) > 0;
  const [, one = 3, two, three] = shape;
  if (isPicture(one, two, three)) return { side: two, channels: one, isChannelsLast: false };
  // As TensorFlow has it.
  if (three !== undefined && isPicture(three, shape[1], two)) {
    return { side: two, channels: three, isChannelsLast: true };
  }
  return failAt(where)("the graph's input is not a square picture", {
    expected: "[N, channels, side, side], or [N, side, side, channels]",
    found: `[${shape.map((extent) => extent ?? "?").join(", ")}]`,
  });
}

/** Fewer than a picture has pixels on a side. */
const mostChannels = 16;

/** Operations on integers, in each of ONNX's forms: QDQ, operators with integer inputs, and dynamic. */
const isEightBits = ({ op }: OnnxNode): boolean =>
  /^(?:(?:Dynamic)?QuantizeLinear|DequantizeLinear|QLinear|QGemm|\w+Integer$)/.test(op);

class Translation implements Surroundings {
  readonly #builder: ReturnType<typeof layerBuilder>;
  readonly #values = new Map<string, OnnxValue>();
  readonly #layers: LayerConfig[] = [];
  readonly #shapes = new Map<string, Shape>();
  /** Number of layers that wanted each name. */
  readonly #taken = new Map<string, number>();
  /** Remaining allowance for copies of constants. */
  #left: number;
  readonly #unreadable: ReadonlyMap<string, string>;
  readonly #outputs: ReadonlySet<string>;
  /** Undefined until a layer reads the picture. */
  #affine: Affine | "none" | undefined;
  readonly #where: string;
  /** The graph's batch size, if it is fixed. */
  readonly batch: number | undefined;
  /** Tensors by our parameters' names. */
  readonly tensors = new Map<string, Tensor>();

  constructor(
    name: string,
    imageSize: number,
    channels: number,
    picture: OnnxInput & Pick<Flow, "isChannelsLast">,
    onnx: OnnxModel,
    where: string,
  ) {
    this.#builder = layerBuilder(name, imageSize, channels);
    this.#unreadable = onnx.unreadable;
    this.#outputs = new Set(onnx.outputs);
    this.#where = where;
    this.batch = picture.shape[0];
    this.#left = 2 ** 20;
    for (const [name, tensor] of onnx.tensors) {
      this.#values.set(name, { kind: "constant", tensor });
      this.#left += 2 * tensor.data.length;
    }
    const { isChannelsLast = false } = picture;
    this.#values.set(picture.name, { kind: "flow", layer: inputName, isFlat: false, isChannelsLast });
    this.#shapes.set(inputName, [1, channels, imageSize, imageSize]);
  }

  take(node: OnnxNode): void {
    const step = new Step(node, this, failAt(`${this.#where}: node ${shownName(node.name || node.outputs[0] || "")}`));
    const rule = node.domain === "" && Object.hasOwn(onnxRules, node.op) ? onnxRules[node.op] : undefined;
    if (rule === undefined && isEightBits(node)) {
      step.fail("this ONNX file is in eight bits, a form that is written here but not read", {
        expected: "a graph that computes in float32",
        found: node.op,
        hint: "the .safetensors file that senet quantize wrote is read, or the float32 network that was quantized: senet quantize makes it eight bits again",
      });
    }
    if (rule === undefined) {
      step.fail(`the operation ${shownName(node.op)} cannot be imported`, {
        expected: Object.keys(onnxRules).join(", "),
        hint: "use the weights in the format they were exported from",
      });
    }
    const [output] = node.outputs;
    if (output === undefined) step.fail("the node has no output");
    if (this.#values.has(output!)) step.fail("two nodes have outputs of the same name", { found: shownName(output!) });
    this.#values.set(output!, rule!(step));
  }

  value(name: string, fail: Fail): OnnxValue {
    const value = this.#values.get(name);
    if (value !== undefined) return value;
    const why = this.#unreadable.get(name);
    return fail(
      why === undefined ? "the node uses a value that nothing before it produces" : `a constant cannot be read: ${why}`,
      {
        found: shownName(name),
      },
    );
  }

  spend(numbers: number, fail: Fail): void {
    this.#left -= numbers;
    if (this.#left < 0)
      fail("the graph transposes or expands its constants to far more memory than they take themselves");
  }

  /** What the graph does to the picture before its first layer. */
  get affine(): Affine | undefined {
    return this.#affine === "none" ? undefined : this.#affine;
  }

  reads({ layer, affine }: Flow, fail: Fail): void {
    if (layer !== inputName) return;
    const read = affine ?? "none";
    this.#affine ??= read;
    if (JSON.stringify(this.#affine) !== JSON.stringify(read))
      fail("the node reads the picture normalised differently from another one");
  }

  isOutput = (name: string | undefined): boolean => name !== undefined && this.#outputs.has(name);

  shapeOf = (layer: string): Shape => this.#shapes.get(layer)!;

  /** Adds a layer with its weights. */
  add(
    name: string,
    layer: UnplacedLayer,
    inputs: readonly string[],
    weights: Record<string, Tensor>,
    fail: Fail,
  ): string {
    const base = name === "" || name === inputName ? `${name}_` : name;
    // Counted, so that many nodes with the same name cost no time.
    let count = this.#taken.get(base) ?? 0;
    const numbered = () => (count === 0 ? base : `${base}_${count}`);
    while (this.#shapes.has(numbered())) count++;
    this.#taken.set(base, count);
    const unique = numbered();
    const whole = { ...layer, name: unique, inputs } as LayerConfig;
    try {
      this.#shapes.set(unique, this.#builder.add(whole).type.shape);
    } catch (cause) {
      if (!(cause instanceof SenetError)) throw cause;
      fail("the node does not fit those before it", { found: cause.message, cause });
    }
    this.#layers.push(whole);
    for (const [parameter, tensor] of Object.entries(weights)) this.tensors.set(`${unique}.${parameter}`, tensor);
    return unique;
  }

  /** Returns the layers up to the first output, the logits. */
  finish(outputs: readonly string[]): { layers: LayerConfig[]; classes: number; tensors: ReadonlyMap<string, Tensor> } {
    const fail = failAt(this.#where);
    const found = outputs[0] === undefined ? undefined : this.#values.get(outputs[0]);
    if (found?.kind !== "flow" || found.layer === inputName)
      return fail("the graph has no output that is made from its picture");
    const { pad, beside, every, isChannelsLast = false } = found;
    if (pad !== undefined || beside !== undefined || every !== undefined || isChannelsLast) {
      return fail(
        "the graph's output is a picture that is only padded or transposed, or of which only some pixels are taken",
      );
    }
    let { layer } = found;
    checkClassified(this.shapeOf(layer), layer, fail);
    if (this.shapeOf(layer).length > 2) layer = this.add(`${layer}.flatten`, { kind: "flatten" }, [layer], {}, fail);
    const needed = new Set([layer]);
    const layers: LayerConfig[] = [];
    for (const config of this.#layers.toReversed()) {
      if (!needed.has(config.name)) continue;
      layers.push(config);
      for (const input of config.inputs) needed.add(input);
    }
    return { layers: layers.toReversed(), classes: this.shapeOf(layer)[1]!, tensors: this.tensors };
  }
}
