/**
 * Reads Caffe's binary networks (`.caffemodel`): layers with their definitions and weights.
 *
 * docs/networks.md, 5.2, has the rules that Caffe's own loader follows. Weights are views of the file if aligned.
 */

import { sizeOf, type Tensor, zeros } from "../tensor.ts";
import { type Fail, failAt, fetchAgain, shownName, view } from "./bytes.ts";
import {
  computing,
  isEnum,
  type LayerFormat,
  layerFormat,
  netSchema,
  type Schema,
  v1LayerFormat,
} from "./caffe-schema.ts";
import { ProtoReader, WireType } from "./protobuf.ts";
import { type CaffeMessage, type CaffeValue, mostValues, oneOf } from "./prototxt.ts";

export interface CaffeLayer {
  readonly name: string;
  /** As in a prototxt ("Convolution"), even if an old file has a number. */
  readonly type: string;
  readonly bottoms: readonly string[];
  readonly tops: readonly string[];
  /**
   * float32, or float64 if Caffe wrote doubles; shapes as in the file (in old ones four dimensions, many of them 1).
   */
  readonly blobs: readonly Tensor[];
  /** The whole definition, as in a prototxt's `layer`, with the parameters that our networks use. */
  readonly definition: CaffeMessage;
}

export interface CaffeModel {
  readonly name: string;
  /** All layers in the file's order, including those without weights; a trained network has data and split layers. */
  readonly layers: readonly CaffeLayer[];
  /** The network without its weights, as in a prototxt: name, input, input_dim, input_shape, layer. */
  readonly definition: CaffeMessage;
}

/** Caffe's limit on a blob's dimensions. */
const mostAxes = 32;
/** The largest released network has 930 layers and 1,144 blobs; small files must not create unlimited objects. */
const mostLayers = 20_000;
const mostBlobs = 100_000;

/** Remaining allowances, so that a small file cannot create a large structure. */
interface Allowance {
  values: number;
  blobs: number;
}

/**
 * Reads a `.caffemodel`. Weights are views of `bytes` if aligned, and share its memory.
 * @param where the file's name, for errors
 * @throws SenetError `weights`, naming the layer if possible, where the file is damaged, a blob's values do not fill
 * its shape, or the network has no layers
 */
export function parseCaffemodel(bytes: Uint8Array, where: string): CaffeModel {
  const allowance: Allowance = { values: mostValues, blobs: mostBlobs };
  const fields = new Map<string, CaffeValue[]>();
  const layers: CaffeLayer[] = [];
  const net = new ProtoReader(bytes, where);
  while (net.next()) {
    const format = net.field === 100 ? layerFormat : net.field === 2 ? v1LayerFormat : undefined;
    if (format === undefined) readField(net, netSchema, fields, where, allowance);
    else if (layers.length === mostLayers) net.fail(`there are more than ${mostLayers} layers`);
    else layers.push(readLayer(net.message(), format, where, layers.length, allowance));
  }
  if (layers.length === 0) {
    failAt(where)("there is no layer in this file", {
      expected: "a network that Caffe saved (NetParameter)",
      hint: "a mean file (.binaryproto) or a solver's state (.solverstate) is not a network",
    });
  }
  if (layers.length > 0) {
    fields.set(
      "layer",
      layers.map(({ definition }) => definition),
    );
  }
  const definition = { where, fields };
  return { name: oneOf(definition, "name", "string", ""), layers, definition };
}

function readLayer(
  reader: ProtoReader,
  { blobs: blobsField, schema }: LayerFormat,
  file: string,
  index: number,
  allowance: Allowance,
): CaffeLayer {
  const fields = new Map<string, CaffeValue[]>();
  const blobs: Tensor[] = [];
  const pending: Uint8Array[] = [];
  while (reader.next()) {
    if (reader.field === blobsField) {
      if (--allowance.blobs < 0) reader.fail(`there are more than ${mostBlobs} blobs`);
      pending.push(reader.chunk());
    } else if (schema === v1LayerFormat.schema && reader.field === 1) {
      reader.fail("this file is older than Caffe's first release (V0 layers)", {
        hint: "bring it up to date with Caffe's tool upgrade_net_proto_binary",
      });
    } else readField(reader, schema, fields, file, allowance);
  }
  const nameless: CaffeMessage = { where: `${file}: layer ${index}`, fields };
  const name = oneOf(nameless, "name", "string", "");
  const definition: CaffeMessage = { where: `${file}: layer ${shownName(name)}`, fields };
  for (const [i, chunk] of pending.entries()) blobs.push(readBlob(chunk, `${definition.where}, blob ${i}`));
  return {
    name,
    type: oneOf(definition, "type", "string", ""),
    bottoms: strings(fields.get("bottom")),
    tops: strings(fields.get("top")),
    blobs,
    definition,
  };
}

const strings = (values: readonly CaffeValue[] = []): string[] => values.filter((value) => typeof value === "string");

/**
 * Reads the current field into `fields`. Unknown fields are skipped; those of a layer's parameters are recorded by
 * number, since they may change what the layer computes.
 */
function readField(
  reader: ProtoReader,
  schema: Schema,
  fields: Map<string, CaffeValue[]>,
  where: string,
  allowance: Allowance,
): void {
  const entry = schema[reader.field];
  if (entry === undefined) {
    if (computing.has(schema) && --allowance.values >= 0) fields.set(`number ${reader.field}`, [reader.field]);
    reader.skip();
    return;
  }
  const [name, kind] = entry;
  let values = fields.get(name);
  if (values === undefined) {
    values = [];
    fields.set(name, values);
  }
  const into = values;
  const add = (value: CaffeValue) => {
    if (--allowance.values < 0) reader.fail(`there are more than ${mostValues} values in the definitions`);
    into.push(value);
  };
  if (kind === "int") reader.ints(add);
  else if (kind === "float") reader.floats(add);
  else if (kind === "bool") add(reader.int() !== 0);
  else if (kind === "text") add(reader.text());
  else if (isEnum(kind)) {
    const value = reader.int();
    add(kind[value] ?? `${value}`);
  } else {
    const message = reader.message();
    const nested = new Map<string, CaffeValue[]>();
    add({ where, fields: nested });
    while (message.next()) readField(message, kind, nested, where, allowance);
  }
}

/** Fields with a blob's values, in both packed and unpacked form. */
interface Values {
  readonly field: number;
  readonly wire: WireType;
  readonly bytes: number;
  count: number;
  chunks: number;
  /** Last chunk of packed values. */
  packed: Uint8Array;
}

const noBytes = new Uint8Array(0);

/**
 * A blob of a layer, or of a file with a mean image (`.binaryproto`).
 * @param bytes a BlobProto
 * @throws SenetError `weights` where it is damaged or its values do not fill its shape
 */
export function readBlob(bytes: Uint8Array, where: string): Tensor {
  const fail = failAt(where);
  const floats: Values = { field: 5, wire: WireType.Bit32, bytes: 4, count: 0, chunks: 0, packed: noBytes };
  const doubles: Values = { field: 8, wire: WireType.Bit64, bytes: 8, count: 0, chunks: 0, packed: noBytes };
  const dims: number[] = [];
  const legacy = [0, 0, 0, 0];
  let isLegacy = false;
  const reader = new ProtoReader(bytes, where);
  while (reader.next()) {
    if (reader.field >= 1 && reader.field <= 4) {
      legacy[reader.field - 1] = reader.int();
      isLegacy = true;
    } else if (reader.field === 7) {
      const shape = reader.message();
      while (shape.next()) {
        if (shape.field !== 1) shape.skip();
        else {
          shape.ints((extent) => {
            if (dims.push(extent) > mostAxes) shape.fail(`a blob has more than ${mostAxes} axes`);
          });
        }
      }
    } else if (reader.field === floats.field) countValues(reader, floats);
    else if (reader.field === doubles.field) countValues(reader, doubles);
    else reader.skip();
  }
  const extents = isLegacy ? legacy : dims;
  const values = doubles.count > 0 ? doubles : floats;
  if (extents.some((extent) => extent < 0) || sizeOf(extents) !== values.count) {
    fail("its values do not fill its shape", {
      expected: `${sizeOf(extents)} values for [${extents.join(", ")}]`,
      found: `${values.count}`,
      hint: fetchAgain,
    });
  }
  return values === doubles
    ? { dtype: "float64", shape: extents, data: gather(Float64Array, bytes, doubles, where) }
    : { dtype: "float32", shape: extents, data: gather(Float32Array, bytes, floats, where) };
}

function countValues(reader: ProtoReader, values: Values): void {
  if (reader.wire === values.wire) {
    reader.skip();
    values.count++;
    return;
  }
  const chunk = reader.chunk();
  if (chunk.length % values.bytes !== 0) {
    reader.fail("packed values end inside of one", {
      expected: `a multiple of ${values.bytes} bytes`,
      found: `${chunk.length}`,
    });
  }
  // An empty chunk adds nothing and must not force a copy of the others.
  if (chunk.length === 0) return;
  values.count += chunk.length / values.bytes;
  values.chunks++;
  values.packed = chunk;
}

/** A view of the packed values if they are contiguous and aligned, otherwise a copy. */
function gather<T extends Float32Array | Float64Array>(
  type: {
    new (length: number): T;
    new (buffer: ArrayBufferLike, offset: number, length: number): T;
    readonly BYTES_PER_ELEMENT: number;
  },
  bytes: Uint8Array,
  { field, wire, count, chunks, packed }: Values,
  where: string,
): T {
  if (chunks === 1 && packed.length === count * type.BYTES_PER_ELEMENT) return view(type, packed, 0, count);
  const data = new type(count);
  let length = 0;
  const reader = new ProtoReader(bytes, where);
  while (reader.next()) {
    if (reader.field !== field) reader.skip();
    else if (reader.wire === wire) data[length++] = wire === WireType.Bit32 ? reader.float() : reader.double();
    else {
      const chunk = reader.chunk();
      data.set(view(type, chunk, 0, chunk.length / type.BYTES_PER_ELEMENT), length);
      length += chunk.length / type.BYTES_PER_ELEMENT;
    }
  }
  return data;
}

/** A batch normalisation as in other frameworks: all float32 with shape [channels]. */
export interface BatchNormStatistics {
  readonly mean: Tensor;
  readonly variance: Tensor;
  readonly gamma: Tensor;
  readonly beta: Tensor;
  readonly eps: number;
}

/**
 * Caffe's BatchNorm layer and the Scale layer after it, as one normalisation (docs/networks.md, 1.7): the file holds
 * sums and the factor s that they were weighted with; mean = b0 / s and var = b1 / s, and both are 0 where s is. As Caffe
 * does it, the factor 1/s is rounded to float32 before it multiplies.
 * NVIDIA's Caffe has both in one layer of five blobs: mean, variance, a factor that is not used, gamma, beta.
 * @param scale absent if the network has none; gamma is then 1 and beta 0
 * @throws SenetError `weights` where the layers' blobs are not those of a BatchNorm and of a Scale of the same channels
 */
export function batchNormStatistics(batchNorm: CaffeLayer, scale?: CaffeLayer): BatchNormStatistics {
  const fail = failAt(batchNorm.definition.where);
  const [sumMean, sumVariance, factors, ownGamma, ownBeta] = batchNorm.blobs;
  const isFused = ownGamma !== undefined && ownBeta !== undefined;
  const count = batchNorm.blobs.length;
  if (sumMean === undefined || sumVariance === undefined || factors === undefined || count !== (isFused ? 5 : 3)) {
    return fail("these are not a batch normalisation's blobs", {
      expected: "three: mean, variance and scale factor; or NVIDIA's five: also scale and bias",
      found: `${count} in a layer of type ${shownName(batchNorm.type)}`,
    });
  }
  const channels = sumMean.data.length;
  if (sumVariance.data.length !== channels || factors.data.length !== 1) {
    fail("the blobs of the batch normalisation do not fit each other", {
      expected: `${channels}, ${channels} and 1 values`,
      found: `${channels}, ${sumVariance.data.length} and ${factors.data.length}`,
    });
  }
  const sum = factors.data[0]!;
  // NVIDIA's layer stores mean and variance directly and ignores the factor.
  const factor = isFused ? 1 : sum === 0 ? 0 : Math.fround(1 / sum);
  const divided = ({ data }: Tensor): Tensor => {
    const result = new Float32Array(channels);
    for (let i = 0; i < channels; i++) result[i] = data[i]! * factor;
    return { dtype: "float32", shape: [channels], data: result };
  };
  const parameter = oneOf(batchNorm.definition, "batch_norm_param", "message", undefined);
  const eps = parameter === undefined ? 1e-5 : oneOf(parameter, "eps", "number", 1e-5);
  if (isFused) {
    if (scale !== undefined) {
      fail("this batch normalisation already has its own scale", { found: `the layer ${shownName(scale.name)}` });
    }
    const [gamma, beta] = [ownGamma, ownBeta].map((blob) => vector(blob, channels, fail)) as [Tensor, Tensor];
    return { mean: divided(sumMean), variance: divided(sumVariance), gamma, beta, eps: Math.max(eps, 1e-5) };
  }
  const ones: Tensor = { dtype: "float32", shape: [channels], data: new Float32Array(channels).fill(1) };
  const gamma = scale === undefined ? ones : channelBlob(scale, 0, channels);
  const isBiased = scale !== undefined && scale.blobs.length > 1;
  const beta = isBiased ? channelBlob(scale, 1, channels) : zeros("float32", [channels]);
  return { mean: divided(sumMean), variance: divided(sumVariance), gamma, beta, eps };
}

function channelBlob(scale: CaffeLayer, index: number, channels: number): Tensor {
  const blob = scale.blobs[index];
  const fail: Fail = failAt(scale.definition.where);
  if (blob === undefined || blob.data.length !== channels || scale.blobs.length > 2) {
    return fail("these are not the blobs of the scale layer after a batch normalisation", {
      expected: `gamma and perhaps beta, ${channels} values each`,
      found: `${scale.blobs.length} blobs of ${scale.blobs.map(({ data }) => data.length).join(" and ") || "no"} values`,
    });
  }
  return vector(blob, channels, fail);
}

function vector({ data }: Tensor, channels: number, fail: Fail): Tensor {
  if (data.length !== channels) {
    fail("the blobs of the batch normalisation do not fit each other", {
      expected: `${channels} values`,
      found: `${data.length}`,
    });
  }
  return { dtype: "float32", shape: [channels], data: data instanceof Float32Array ? data : Float32Array.from(data) };
}
