/**
 * Reads MatConvNet networks from MATLAB files: a DagNN (layers, params, vars, meta, in four variables or in one `net`),
 * or a SimpleNN (a chain of layers with their weights), which is converted to the same form.
 *
 * Format: `dagnn.DagNN.saveobj` and `vl_simplenn` in https://github.com/vlfeat/matconvnet.
 */

import { sizeOf, type Tensor, tensor } from "../tensor.ts";
import { damagedAt, type FailWhole, shownName } from "./bytes.ts";
import type { MatValue, MatVariables } from "./matlab-value.ts";
import { fromColumns } from "./permuted.ts";

export interface McnLayer {
  readonly name: string;
  /** `dagnn.Conv`, or the equivalent in a SimpleNN. */
  readonly type: string;
  /** Names of variables. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Names of parameters. */
  readonly params: readonly string[];
  /** The layer's settings and other fields. */
  readonly block: ReadonlyMap<string, MatValue>;
}

export interface McnNetwork {
  readonly layers: readonly McnLayer[];
  /** By name, with axes in MATLAB's order: height, width, input, output. */
  readonly params: ReadonlyMap<string, Tensor>;
  /** `meta.normalization`. */
  readonly normalization: ReadonlyMap<string, MatValue>;
  /** Height, width and channels of its pictures, as far as given. */
  readonly inputSize: readonly number[];
}

type Parts = Pick<McnNetwork, "layers" | "params">;

/**
 * Finds the network in a file's variables.
 * @param where the file's name, for errors
 * @throws SenetError `weights` where there is none, or its parts do not match
 */
export function matconvnetIn(variables: MatVariables, where: string): McnNetwork {
  const fail = damagedAt(where);
  const own = variables.get("net");
  const net = own?.kind === "struct" ? structAt(own, 0) : variables;
  const [layers, params] = [net.get("layers"), net.get("params")];
  if (layers?.kind === "cell") return { ...simple(layers.items, fail), ...aboutPictures(net) };
  if (layers?.kind === "struct" && params?.kind === "struct") {
    return { ...dag(layers, params, fail), ...aboutPictures(net) };
  }
  return fail("this MATLAB file holds no network of MatConvNet's", {
    expected: "layers and params, or net with both in it",
    found: `the variables ${[...variables.keys()].slice(0, 5).map(shownName).join(", ") || "none"}`,
    hint: "in MATLAB: net = dagnn.DagNN.loadobj(...); s = net.saveobj(); save('OUT.mat', '-struct', 's')",
  });
}

/**
 * Networks before 2015 have the fields of `meta` at the top level; those trained on small pictures have only their
 * size.
 */
function aboutPictures(net: ReadonlyMap<string, MatValue>): Pick<McnNetwork, "normalization" | "inputSize"> {
  const meta = structOf(net.get("meta")) ?? net;
  const normalization = structOf(meta.get("normalization")) ?? new Map<string, MatValue>();
  const inputs = meta.get("inputs");
  const said = [
    normalization.get("imageSize"),
    meta.get("inputSize"),
    inputs?.kind === "struct" ? structAt(inputs, 0).get("size") : undefined,
  ];
  return { normalization, inputSize: said.map(numbersIn).find(({ length }) => length > 0) ?? [] };
}

export const numbersIn = (value: MatValue | undefined): readonly number[] =>
  value?.kind === "numbers" ? [...value.data] : [];

type Struct = Extract<MatValue, { readonly kind: "struct" }>;

/** One element of an array of structs. */
const structAt = ({ fields }: Struct, i: number): ReadonlyMap<string, MatValue> =>
  new Map([...fields].flatMap(([name, values]) => (values[i] === undefined ? [] : [[name, values[i]]])));

const structOf = (value: MatValue | undefined): ReadonlyMap<string, MatValue> | undefined =>
  value?.kind === "struct" && value.size === 1 ? structAt(value, 0) : undefined;

/** A text, or the only one in a cell; undefined if it is neither. */
export function textIn(value: MatValue | undefined): string | undefined {
  if (value?.kind === "text") return value.text;
  return value?.kind === "cell" && value.items.length === 1 ? textIn(value.items[0]) : undefined;
}

/** A cell of texts, which may be a bare text if there is one, or empty numbers if there is none. */
function textsIn(value: MatValue | undefined): readonly string[] | undefined {
  if (value === undefined || (value.kind === "numbers" && value.data.length === 0)) return [];
  if (value.kind === "text") return value.text === "" ? [] : [value.text];
  if (value.kind !== "cell") return undefined;
  const texts = value.items.map(textIn);
  return texts.every((text) => text !== undefined) ? (texts as string[]) : undefined;
}

function dag(layers: Struct, params: Struct, fail: FailWhole): Parts {
  const tensors = new Map<string, Tensor>();
  for (let i = 0; i < params.size; i++) {
    const param = structAt(params, i);
    const name = textIn(param.get("name"));
    if (name === undefined) {
      return fail(`parameter ${i + 1} has no name`, { expected: "a text", found: kindOf(param.get("name")) });
    }
    if (tensors.has(name)) {
      return fail("two parameters have one name", { expected: "each name once", found: `${shownName(name)} again` });
    }
    tensors.set(name, tensorOf(param.get("value"), `the parameter ${shownName(name)}`, fail));
  }
  const found = Array.from({ length: layers.size }, (_, i): McnLayer => {
    const layer = structAt(layers, i);
    const name = textIn(layer.get("name")) ?? `layer${i + 1}`;
    const type = textIn(layer.get("type"));
    const [inputs, outputs, ownParams] = ["inputs", "outputs", "params"].map((key) => textsIn(layer.get(key)));
    if (type === undefined || inputs === undefined || outputs === undefined || ownParams === undefined) {
      return fail(`the layer ${shownName(name)} cannot be read`, {
        expected: "type, inputs, outputs and params",
        found: [...layer].map(([key, value]) => `${key} (${kindOf(value)})`).join(", ") || "nothing",
      });
    }
    return { name, type, inputs, outputs, params: ownParams, block: structOf(layer.get("block")) ?? new Map() };
  });
  return { layers: found, params: tensors };
}

/** SimpleNN's names of DagNN's layers; losses end the chain. */
const simpleTypes: Readonly<Record<string, string>> = {
  conv: "dagnn.Conv",
  bnorm: "dagnn.BatchNorm",
  relu: "dagnn.ReLU",
  sigmoid: "dagnn.Sigmoid",
  pool: "dagnn.Pooling",
  dropout: "dagnn.DropOut",
  softmax: "dagnn.SoftMax",
  softmaxloss: "dagnn.Loss",
  loss: "dagnn.Loss",
};

/** DagNN's names of the same settings. */
const simpleSettings: Readonly<Record<string, string>> = { pool: "poolSize" };

/** Converts a chain, in which each layer's input is the output of the one before it. */
function simple(items: readonly MatValue[], fail: FailWhole): Parts {
  const params = new Map<string, Tensor>();
  let input = "x0";
  const layers = items.map((item, i): McnLayer => {
    const layer = structOf(item);
    const kind = textIn(layer?.get("type"));
    if (layer === undefined || kind === undefined) {
      return fail(`layer ${i + 1} has no type`, { expected: "a struct with a type", found: kindOf(item) });
    }
    const ownParams = weightsOf(layer).map((value, j) => {
      const name = `layers{${i + 1}} ${kind} weights{${j + 1}}`;
      params.set(name, tensorOf(value, name, fail));
      return name;
    });
    const output = `x${i + 1}`;
    const inputs = [input];
    input = output;
    const block = new Map([...layer].map(([key, value]) => [simpleSettings[key] ?? key, value]));
    const type = Object.hasOwn(simpleTypes, kind) ? simpleTypes[kind]! : kind;
    const name = textIn(layer.get("name")) ?? `${kind}${i + 1}`;
    return { name, type, inputs, outputs: [output], params: ownParams, block };
  });
  return { layers, params };
}

/** The weights, in one cell or, before 2015, in two fields; missing ones at the end may be empty. */
function weightsOf(layer: ReadonlyMap<string, MatValue>): readonly MatValue[] {
  const cell = layer.get("weights");
  const fields = [layer.get("filters"), layer.get("biases")].filter((value) => value !== undefined);
  const weights = cell?.kind === "cell" ? cell.items : fields;
  const isThere = (value: MatValue) => value.kind !== "numbers" || value.data.length > 0;
  return weights.slice(0, weights.findLastIndex(isThere) + 1);
}

const kindOf = (value: MatValue | undefined): string =>
  value?.kind === "other" ? value.what : (value?.kind ?? "nothing");

function tensorOf(value: MatValue | undefined, what: string, fail: FailWhole): Tensor {
  if (value?.kind !== "numbers") {
    return fail(`${what} holds no numbers`, { expected: "an array of numbers", found: kindOf(value) });
  }
  const { shape, data } = value;
  // A column is the same in both orders.
  const isColumn = shape.length > 0 && sizeOf(shape) === shape[0];
  return isColumn ? tensor(shape, data) : fromColumns(shape, data);
}
