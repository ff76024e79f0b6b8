/** Which format a weight file has, by its content: names lie, and downloads bring other things under the right name. */

import { failAt, fetchAgain } from "./bytes.ts";
import { foreignFormat, isHdf5, rawHint, textStart } from "./foreign.ts";
import { ProtoReader, WireType } from "./protobuf.ts";
import { isLegacyTorch } from "./torch.ts";

export type WeightFormat =
  | "safetensors"
  | "torch" // parseTorch, both containers
  | "caffemodel"
  | "prototxt"
  | "caffe-hdf5"
  | "binaryproto" // the mean of Caffe's pictures
  | "onnx";

const known = "safetensors, PyTorch, Caffe (caffemodel, prototxt, HDF5), ONNX";

/**
 * @param bytes the whole file
 * @param where its name, for errors
 * @throws SenetError `weights` where it is empty, of another program (by its name), a web page, an archive or in no supported format
 */
export function detectFormat(bytes: Uint8Array, where: string): WeightFormat {
  const fail = failAt(where);
  if (bytes.length === 0) return fail("the file is empty", { hint: "fetch it again" });
  // First, because the length that it begins with may look like another format's magic number.
  if (isSafetensors(bytes)) return "safetensors";
  const foreign = foreignFormat(bytes, where);
  if (foreign !== undefined) {
    const { is, ...details } = foreign;
    fail(`this is ${is}`, { expected: known, ...details });
  }
  if (startsWith(bytes, 0x50, 0x4b) || isLegacyTorch(bytes)) return "torch";
  if (isHdf5(bytes)) return "caffe-hdf5";
  const proto = protobufFormat(bytes);
  if (proto !== undefined) return proto;
  if (/^(?:\s|#[^\n]*\n)*[A-Za-z_][A-Za-z0-9_]*\s*[:{]/.test(textStart(bytes))) return "prototxt";
  return fail("this file is in no supported format", {
    expected: known,
    found: shownStart(bytes),
    hint: rawHint(where) ?? fetchAgain,
  });
}

const startsWith = (bytes: Uint8Array, ...start: number[]) => start.every((byte, i) => bytes[i] === byte);

/** A length that is possible, then an object of JSON; its reader finds out the rest. */
function isSafetensors(bytes: Uint8Array): boolean {
  if (bytes.length < 9 || bytes[8] !== 0x7b) return false;
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  return length <= 100_000_000n;
}

/**
 * Both are protobuf without a magic number: an ONNX model has its version (field 1) as a number and its graph in field 7;
 * a Caffe network has its name (field 1) as a string and its layers in field 100, or 2 in old files; a blob of Caffe's has its values in field 5.
 */
function protobufFormat(bytes: Uint8Array): "caffemodel" | "onnx" | "binaryproto" | undefined {
  const reader = new ProtoReader(bytes, "");
  let seen: "caffemodel" | "onnx" | undefined;
  try {
    while (reader.next()) {
      const { field, wire } = reader;
      const isChunk = wire === WireType.LengthDelimited;
      if (field === 7 && isChunk) return "onnx";
      if (field === 5 && (isChunk || wire === WireType.Bit32)) return "binaryproto";
      if ((field === 100 || field === 2) && isChunk && seen !== "onnx") return "caffemodel";
      if (field === 1) seen ??= isChunk ? "caffemodel" : "onnx";
      // No field of either: text and other binary files look like protobuf for a few bytes.
      if (field > 1000 || wire === WireType.StartGroup || wire === WireType.EndGroup) return undefined;
      reader.skip();
    }
  } catch {
    // A file that is cut short inside its first large field is still what it was.
    const { field, wire } = reader;
    const isLast = wire === WireType.LengthDelimited && (field === 100 || field === 7 || field === 2);
    return seen !== undefined && isLast ? seen : undefined;
  }
  return undefined;
}

function shownStart(bytes: Uint8Array): string {
  const hex = [...bytes.subarray(0, 12)].map((byte) => byte.toString(16).padStart(2, "0"));
  return `${bytes.length} bytes that begin ${hex.join(" ")}`;
}
