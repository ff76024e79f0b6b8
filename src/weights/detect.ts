/** Which format a weight file has, by its content: names lie, and downloads bring other things under the right name. */

import { type Fail, failAt, fetchAgain } from "./bytes.ts";
import { ProtoReader, WireType } from "./protobuf.ts";
import { isLegacyTorch } from "./torch.ts";

export type WeightFormat =
  | "safetensors"
  | "torch" // parseTorch, both containers
  | "caffemodel"
  | "prototxt"
  | "caffe-hdf5"
  | "onnx";

const known = "safetensors, PyTorch, Caffe (caffemodel, prototxt, HDF5), ONNX";

/**
 * @param bytes the whole file
 * @param where its name, for errors
 * @throws SenetError `weights` where it is empty, a Git-LFS pointer, a web page, an archive or in no format that is read
 */
export function detectFormat(bytes: Uint8Array, where: string): WeightFormat {
  const fail = failAt(where);
  if (bytes.length === 0) return fail("the file is empty", { hint: "fetch it again" });
  // First, because the length that it begins with may look like another format's magic number.
  if (isSafetensors(bytes)) return "safetensors";
  const text = textStart(bytes);
  refuseOthers(bytes, text, fail);
  if (startsWith(bytes, 0x50, 0x4b)) return "torch";
  if (isLegacyTorch(bytes)) return "torch";
  if (isHdf5(bytes)) return "caffe-hdf5";
  const proto = protobufFormat(bytes);
  if (proto !== undefined) return proto;
  if (/^(?:\s|#[^\n]*\n)*[A-Za-z_][A-Za-z0-9_]*\s*[:{]/.test(text)) return "prototxt";
  return fail("this is in no format that is read", { expected: known, found: shownStart(bytes), hint: fetchAgain });
}

const startsWith = (bytes: Uint8Array, ...start: number[]) => start.every((byte, i) => bytes[i] === byte);

/** The first characters, where the file is text so far; else "". */
function textStart(bytes: Uint8Array): string {
  const text = new TextDecoder("utf-8").decode(bytes.subarray(0, 4096)).trimStart();
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what tells bytes from text
  return /[\u0000-\u0008\u000e-\u001f]/.test(text) ? "" : text;
}

function refuseOthers(bytes: Uint8Array, text: string, fail: Fail): void {
  if (text.startsWith("version https://git-lfs.github.com/spec/")) {
    const size = /^size (\d+)$/m.exec(text)?.[1];
    fail("this is a Git-LFS pointer, not the file itself", {
      found: size === undefined ? "a pointer" : `a pointer to ${size} bytes`,
      hint: "git lfs pull, or download the file from the page of the repository",
    });
  }
  if (/^(?:<!doctype html|<html|<head|<\?xml|<!--)/i.test(text)) {
    const title = /<title[^>]*>([^<]{1,80})/i.exec(text)?.[1]?.trim();
    fail("this is a web page, not weights", {
      ...(title === undefined ? {} : { found: `the page "${title}"` }),
      hint: "the address gives a page about the file or an error: open it in a browser",
    });
  }
  if (startsWith(bytes, 0x1f, 0x8b)) fail("the file is compressed with gzip", { hint: "unpack it: gunzip FILE" });
  if (
    startsWith(bytes, 0x42, 0x5a, 0x68) ||
    startsWith(bytes, 0xfd, 0x37, 0x7a, 0x58, 0x5a) ||
    startsWith(bytes, 0x37, 0x7a, 0xbc, 0xaf)
  ) {
    fail("the file is a compressed archive", { hint: "unpack it" });
  }
  if (new TextDecoder("latin1").decode(bytes.subarray(257, 262)) === "ustar") {
    fail("the file is a tar archive", {
      hint: "unpack it; PyTorch before 0.1.10 wrote such files: load and save them with a newer one",
    });
  }
  if (text.startsWith("MATLAB") || startsWith(bytes, 0x4d, 0x41, 0x54, 0x4c, 0x41, 0x42)) {
    fail("this is a MATLAB file, which is not read", { expected: known });
  }
  if (/^\{\s*"(?:error|message|detail)/i.test(text)) {
    fail("this is a server's error message, not weights", { found: text.slice(0, 120) });
  }
  if (startsWith(bytes, 0x80) && bytes[1]! >= 2 && bytes[1]! <= 5 && !isLegacyTorch(bytes)) {
    fail("this is a Python pickle that torch.save did not write", {
      expected: known,
      hint: "load it in Python and save the weights with torch.save or as safetensors",
    });
  }
}

/** HDF5 may have other bytes in front: its signature stands at 0, 512, 1024, 2048, ... */
export function isHdf5(bytes: Uint8Array): boolean {
  for (let start = 0; start + 8 <= bytes.length; start = start === 0 ? 512 : start * 2) {
    if (startsWith(bytes.subarray(start), 0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a)) return true;
  }
  return false;
}

/** A length that is possible, then an object of JSON; its reader finds out the rest. */
function isSafetensors(bytes: Uint8Array): boolean {
  if (bytes.length < 9 || bytes[8] !== 0x7b) return false;
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  return length <= 100_000_000n;
}

/**
 * Both are protobuf without a magic number: an ONNX model has its version (field 1) as a number and its graph in field 7;
 * a Caffe network has its name (field 1) as a string and its layers in field 100, or 2 in old files.
 */
function protobufFormat(bytes: Uint8Array): "caffemodel" | "onnx" | undefined {
  const reader = new ProtoReader(bytes, "");
  let seen: "caffemodel" | "onnx" | undefined;
  try {
    while (reader.next()) {
      const { field, wire } = reader;
      const isChunk = wire === WireType.LengthDelimited;
      if (field === 7 && isChunk) return "onnx";
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
