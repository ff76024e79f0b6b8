/** Tells apart the protobuf formats, which have no magic number. */

import { ProtoReader, WireType } from "./protobuf.ts";

/**
 * An ONNX model has its version (field 1) as a number and its graph in field 7;
 * a Caffe network has its name (field 1) as a string and its layers in field 100, or 2 in old files; a blob of Caffe's has its values in field 5.
 */
export function protobufKind(bytes: Uint8Array): "caffemodel" | "onnx" | "binaryproto" | undefined {
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
      // No format has such a field: text and other binary files look like protobuf for a few bytes.
      if (field > 1000 || wire === WireType.StartGroup || wire === WireType.EndGroup) return undefined;
      reader.skip();
    }
  } catch {
    // A file truncated inside its first large field is still recognised.
    const { field, wire } = reader;
    const isLast = wire === WireType.LengthDelimited && (field === 100 || field === 7 || field === 2);
    return seen !== undefined && isLast ? seen : undefined;
  }
  return undefined;
}
