/** Writes `.caffemodel` files: what caffemodel.ts reads, in today's format. */

import { ProtoWriter } from "../protobuf-writer.ts";
import { sizeOf, type Tensor } from "../tensor.ts";
import { failAt, shownName } from "./bytes.ts";
import { isEnum, layerFormat, type Schema } from "./caffe-schema.ts";
import type { CaffeLayer } from "./caffemodel.ts";
import { allOf, type CaffeMessage, type CaffeValue } from "./prototxt.ts";

/** A layer to write: one that was read, or one made by hand, of which a name, a type and blobs are enough. */
export type CaffeLayerToWrite = Pick<CaffeLayer, "name" | "type" | "blobs"> &
  Partial<Pick<CaffeLayer, "bottoms" | "tops" | "definition">>;

/** Protobuf's own limit of a message, which Caffe's loader has too. */
const mostBytes = 2 ** 31 - 1;

/** These are written from the layer itself. */
const own: ReadonlySet<string> = new Set(["name", "type", "bottom", "top"]);

/**
 * The bytes of a network as Caffe saves it, in chunks to be written one after another: the weights are views on the
 * blobs' data, not copies. Of the definitions, the fields that caffemodel.ts reads are written.
 * @throws SenetError `weights` where a blob is neither float32 nor float64 or does not fill its shape, where a field of a
 * definition is not of its kind, or where the file would be larger than protobuf allows
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

/** What stands before the content of a nested message. */
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
      // Negative ones are legal (an axis counted from the end) and take ten bytes, as int32 and int64 alike.
      for (const value of allOf(message, name, "number")) {
        if (!Number.isSafeInteger(value)) failAt(message.where)(`the field "${name}" cannot be ${value}`);
        writer.int(field, value);
      }
    } else if (isEnum(kind)) {
      for (const value of allOf(message, name, "string")) {
        const index = kind.indexOf(value);
        // A reader that does not know an enum's number keeps it as it is.
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
