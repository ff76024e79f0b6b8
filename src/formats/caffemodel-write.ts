/** Writes `.caffemodel` files, as read by caffemodel.ts, in today's format. */

import { ProtoWriter } from "../protobuf-writer.ts";
import { sizeOf, type Tensor } from "../tensor.ts";
import { failAt, shownName } from "./bytes.ts";
import { isEnum, layerFormat, type Schema } from "./caffe-schema.ts";
import type { CaffeLayer } from "./caffemodel.ts";
import { allOf, type CaffeMessage, type CaffeValue } from "./prototxt.ts";

/** A layer to write: one that was read, or a new one, which needs only a name, a type and blobs. */
export type CaffeLayerToWrite = Pick<CaffeLayer, "name" | "type" | "blobs"> &
  Partial<Pick<CaffeLayer, "bottoms" | "tops" | "definition">>;

/** Protobuf's limit on messages, which Caffe's loader also has. */
const mostBytes = 2 ** 31 - 1;

/** Fields that are written from the layer itself. */
const own: ReadonlySet<string> = new Set(["name", "type", "bottom", "top"]);

/**
 * Encodes a network as Caffe does, in chunks to be written one after another; weights are views of the blobs' data, not
 * copies. Of the definitions, those fields are written that caffemodel.ts reads.
 * @throws SenetError `weights` where a blob is neither float32 nor float64 or does not fill its shape, where a field
 * has the wrong type, or where the file would exceed protobuf's limit
 */
export function encodeCaffemodel(name: string, layers: readonly CaffeLayerToWrite[]): Uint8Array[] {
  const chunks: Uint8Array[] = [new ProtoWriter().text(1, name).finish()];
  for (const layer of layers) {
    const body = layerChunks(layer);
    chunks.push(head(layerField, body), ...body);
  }
  const length = lengthOf(chunks);
  if (length > mostBytes) {
    failAt(shownName(name))("the network is too large for a caffemodel", {
      expected: `at most ${mostBytes} bytes`,
      found: `${length}`,
    });
  }
  return chunks;
}

const layerField = 100;

const lengthOf = (chunks: readonly Uint8Array[]): number => chunks.reduce((sum, { length }) => sum + length, 0);

/** Tag and length of a nested message. */
const head = (field: number, content: readonly Uint8Array[]): Uint8Array =>
  new ProtoWriter().head(field, lengthOf(content)).finish();

function layerChunks({ name, type, bottoms = [], tops = [], blobs, definition }: CaffeLayerToWrite): Uint8Array[] {
  const where = `layer ${shownName(name)}`;
  const writer = new ProtoWriter();
  const fields = new Map<string, readonly CaffeValue[]>([
    ["name", [name]],
    ["type", [type]],
    ["bottom", bottoms],
    ["top", tops],
  ]);
  writeFields(writer, { where, fields }, layerFormat.schema);
  if (definition !== undefined) {
    const others = [...definition.fields].filter(([field]) => !own.has(field));
    writeFields(writer, { where: definition.where, fields: new Map(others) }, layerFormat.schema);
  }
  const chunks: Uint8Array[] = [writer.finish()];
  for (const [i, blob] of blobs.entries()) {
    const content = blobChunks(blob, `${where}, blob ${i}`);
    chunks.push(head(layerFormat.blobs, content), ...content);
  }
  return chunks;
}

function writeFields(writer: ProtoWriter, message: CaffeMessage, schema: Schema): void {
  for (const [number, [name, kind]] of Object.entries(schema)) {
    const field = Number(number);
    if (kind === "text") {
      for (const text of allOf(message, name, "string")) writer.text(field, text);
    } else if (kind === "bool") {
      for (const value of allOf(message, name, "boolean")) writer.int(field, Number(value));
    } else if (kind === "float") {
      for (const value of allOf(message, name, "number")) writer.float(field, value);
    } else if (kind === "int") {
      // Negative values are legal (an axis counted from the end) and take ten bytes, for int32 and int64 alike.
      for (const value of allOf(message, name, "number")) {
        if (!Number.isSafeInteger(value)) failAt(message.where)(`the field "${name}" cannot be ${value}`);
        writer.int(field, value);
      }
    } else if (isEnum(kind)) {
      for (const value of allOf(message, name, "string")) {
        const index = kind.indexOf(value);
        // Unknown enum numbers are kept by readers as numbers.
        writer.int(field, index === -1 ? enumNumber(message, name, value) : index);
      }
    } else {
      for (const nested of allOf(message, name, "message")) {
        writer.message(field, (inner) => writeFields(inner, nested, kind));
      }
    }
  }
}

function enumNumber({ where }: CaffeMessage, field: string, value: string): number {
  if (!/^-?\d{1,9}$/.test(value)) failAt(where)(`the field "${field}" cannot be ${shownName(value)}`);
  return Number(value);
}

/** A BlobProto: its shape, then its values, packed. */
function blobChunks({ dtype, shape, data }: Tensor, where: string): Uint8Array[] {
  if (dtype === "int32")
    failAt(where)("a blob cannot have this type", { expected: "float32 or float64", found: dtype });
  if (data.length !== sizeOf(shape)) {
    failAt(where)("the data does not fill the shape", {
      expected: `${sizeOf(shape)} values for [${shape.join(", ")}]`,
      found: `${data.length} values`,
    });
  }
  const writer = new ProtoWriter().message(7, (extents) => extents.packed(1, shape));
  const values = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const field = dtype === "float32" ? 5 : 8;
  return [writer.head(field, values.length).finish(), values];
}
