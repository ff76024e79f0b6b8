/** Recognises files of other programs, and what downloads may bring instead of weights, to name them in errors. */

import { decodeText } from "../text-file.ts";
import { areArrays } from "./numpy.ts";
import { ProtoReader, WireType } from "./protobuf.ts";
import { isLegacyTorch } from "./torch.ts";
import { readZip } from "./zip.ts";

/** What a file is, and a hint. */
export interface Foreign {
  /** "this is ..." */
  readonly is: string;
  readonly found?: string;
  readonly hint?: string;
}

/** Hint for weights in unsupported formats. */
export const elsewhere = "load it in its own program and save it as PyTorch, ONNX or safetensors";
const unpack = "unpack it, and give the weights that are in it";

const formatOf = (program: string, hint = elsewhere): Foreign => ({ is: `${program}, which is not read`, hint });

/**
 * What a file in an unsupported format is; undefined if unknown.
 * @param where its name, used if the content is not conclusive
 */
export function foreignFormat(bytes: Uint8Array, where: string): Foreign | undefined {
  const text = textStart(bytes);
  return (
    downloadOf(text) ??
    textFormat(text) ??
    magicOf(bytes) ??
    archiveOf(bytes, where) ??
    hdf5Of(bytes) ??
    pickleOf(bytes) ??
    protobufOf(bytes) ??
    nameOf(where)
  );
}

/** The first characters if the file looks like text, otherwise "". */
export function textStart(bytes: Uint8Array): string {
  const text = decodeText(bytes.subarray(0, 4096)).trimStart();
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what tells bytes from text
  return /[\u0000-\u0008\u000e-\u001f]/.test(text) ? "" : text;
}

function downloadOf(text: string): Foreign | undefined {
  if (text.startsWith("version https://git-lfs.github.com/spec/")) {
    const size = /^size (\d+)$/m.exec(text)?.[1];
    return {
      is: "a Git-LFS pointer, not the file itself",
      found: size === undefined ? "a pointer" : `a pointer to ${size} bytes`,
      hint: "git lfs pull, or download the file from the page of the repository",
    };
  }
  if (/^(?:<\?xml[^>]*>\s*)?<net\s/i.test(text)) {
    return formatOf("an OpenVINO network (.xml, its weights in the .bin)");
  }
  if (/^(?:<!doctype html|<html|<head|<\?xml|<!--)/i.test(text)) {
    const title = /<title[^>]*>([^<]{1,80})/i.exec(text)?.[1]?.trim();
    return {
      is: "a web page, not weights",
      ...(title !== undefined && { found: `the page "${title}"` }),
      hint: "the address gives a page about the file or an error: open it in a browser",
    };
  }
  if (/^\{\s*"(?:error|message|detail)/i.test(text)) {
    return { is: "a server's error message, not weights", found: text.slice(0, 120) };
  }
  return undefined;
}

const texts: readonly (readonly [mark: RegExp, is: Foreign])[] = [
  [/^\{[\s\S]*"weightsManifest"/, formatOf("a TensorFlow.js model")],
  [/^\{[\s\S]*"class_name"\s*:[\s\S]*"config"\s*:/, formatOf("a Keras model's definition (JSON)")],
  [/^\{[\s\S]*"weight_map"\s*:/, { is: "the index of a model in several files", hint: "give it as a path" }],
  [
    /^model_checkpoint_path\s*:/,
    { is: "the list of a TensorFlow folder's checkpoints", hint: "give the folder, or the .index of one of them" },
  ],
  [/^7767517\s/, formatOf("an ncnn network (.param, its weights in the .bin)")],
  [/^\[(?:net|network)\]/, formatOf("a Darknet definition (.cfg, its weights in the .weights)")],
  [/^[[{]/, { is: "JSON, not weights", hint: "give the file with the weights that it belongs to" }],
];

const textFormat = (text: string): Foreign | undefined => texts.find(([mark]) => mark.test(text))?.[1];

const ascii = (text: string): number[] => [...text].map((character) => character.charCodeAt(0));
const packed = (how: string, hint = unpack): Foreign => ({ is: `compressed with ${how}`, hint });
const tar: Foreign = {
  is: "a tar archive",
  hint: `${unpack}; if PyTorch before 0.1.10 wrote it, load and save it with a newer one`,
};

/** Files and folders of torch.distributed.checkpoint: `.metadata` and `__0_0.distcp`, which has a ZIP for each tensor. */
export const distributed = formatOf(
  "a part of a PyTorch distributed checkpoint (DCP)",
  "python3 -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER OUT.pth makes one file of it",
);

/** Magic numbers with their positions. */
const magics: readonly (readonly [at: number, bytes: readonly number[], is: Foreign])[] = [
  [0, [0x1f, 0x8b], packed("gzip", "unpack it: gunzip FILE")],
  [0, ascii("BZh"), packed("bzip2")],
  [0, [0xfd, 0x37, 0x7a, 0x58, 0x5a], packed("xz")],
  [0, [0x28, 0xb5, 0x2f, 0xfd], packed("zstd")],
  [0, [0x04, 0x22, 0x4d, 0x18], packed("lz4")],
  [0, [0x37, 0x7a, 0xbc, 0xaf], { is: "a 7z archive", hint: unpack }],
  [0, ascii("Rar!"), { is: "a RAR archive", hint: unpack }],
  [257, ascii("ustar"), tar],
  [0, ascii("GGUF"), formatOf("a GGUF file, of language models")],
  [0, ascii("lmgg"), formatOf("a GGML file, of language models")],
  [4, ascii("TFL3"), formatOf("a TensorFlow Lite model (.tflite)")],
  [
    4,
    ascii("ORTM"),
    formatOf("a model in ONNX Runtime's own format (.ort)", "give the .onnx file that it was made from"),
  ],
  [4, ascii("ET1"), formatOf("an ExecuTorch program (.pte)")],
  [4, ascii("PTMF"), formatOf("a PyTorch Mobile program")],
  [0, [4, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 0x56, 0x20, 0x31], formatOf("a Torch7 file (.t7)")],
  [0, ascii("ptrt"), formatOf("a TensorRT engine")],
  [0, ascii("ftrt"), formatOf("a TensorRT engine")],
  [0, [0x89, ...ascii("PNG")], { is: "a picture (PNG), not weights" }],
  [0, [0xff, 0xd8, 0xff], { is: "a picture (JPEG), not weights" }],
  [0, ascii("%PDF"), { is: "a PDF document, not weights" }],
  [0, [0x7f, ...ascii("ELF")], { is: "a program or library, not weights" }],
];

const startsAt = (bytes: Uint8Array, at: number, start: readonly number[]) =>
  start.every((byte, i) => bytes[at + i] === byte);

function magicOf(bytes: Uint8Array): Foreign | undefined {
  const found = magics.find(([at, start]) => startsAt(bytes, at, start));
  if (found !== undefined) return found[2] === tar ? tarOf(bytes) : found[2];
  if (isMessagePack(bytes)) return formatOf("a Flax file (MessagePack)");
  if (isDarknet(bytes)) return formatOf("a Darknet file (.weights)");
  return isOldTar(bytes) ? tarOf(bytes) : undefined;
}

/** Recognises PyTorch's tar format before 0.1.10 by the names of its parts. */
function tarOf(bytes: Uint8Array): Foreign {
  const names = new TextDecoder("latin1").decode(bytes.subarray(0, 2 ** 16));
  const isTorch = /(?:^|\0)(?:\.\/)?(?:sys_info|pickle|storages|tensors)\0/.test(names);
  if (!isTorch) return tar;
  return formatOf("a file of PyTorch before 0.1.10 (a tar archive)", "load it with PyTorch and save it again");
}

/** tar archives before 1988 have no magic number, but a name and its size in octal digits. */
const isOldTar = (bytes: Uint8Array) =>
  bytes.length >= 512 && /^[\w./-]+\0+$/.test(latin1(bytes, 0, 100)) && /^[0-7 ]+[\0 ]/.test(latin1(bytes, 124, 12));

const latin1 = (bytes: Uint8Array, start: number, length: number) =>
  new TextDecoder("latin1").decode(bytes.subarray(start, start + length));

/** MessagePack: a map whose first key is a name. */
function isMessagePack(bytes: Uint8Array): boolean {
  const first = bytes[0]!;
  const key = first > 0x80 && first <= 0x8f ? 1 : first === 0xde ? 3 : -1;
  const kind = bytes[key] ?? 0;
  if (key < 0 || bytes.length < key + 3) return false;
  const [start, length] = kind === 0xd9 ? [key + 2, bytes[key + 1]!] : [key + 1, kind - 0xa0];
  return (kind === 0xd9 || (kind > 0xa0 && kind < 0xc0)) && /^[\w./-]+$/.test(latin1(bytes, start, length));
}

/** Darknet: version 0.1 or 0.2 in three integers; otherwise only the name tells. */
function isDarknet(bytes: Uint8Array): boolean {
  const [major, minor, revision] = [bytes[0], bytes[4], bytes[8]];
  const isSmall = [1, 2, 3, 5, 6, 7, 9, 10, 11].every((at) => bytes[at] === 0);
  return bytes.length > 20 && isSmall && major === 0 && (minor === 1 || minor === 2) && revision! <= 5;
}

/** Extensions of weight files that may be in archives. */
const weightFile = /\.(?:pth|pt|th|ckpt|pkl|bin|safetensors|caffemodel|prototxt|onnx|h5|hdf5|mat|params|npz|pb|tar)$/i;

const archives: readonly (readonly [entry: RegExp, is: Foreign])[] = [
  [/^MAR-INF\//, formatOf("a TorchServe archive (.mar)", "unpack it: the weights are a .pth or .pt file in it")],
  [/(?:^|\/)model(?:_\d+)?\.weights\.h5$/, formatOf("a Keras model (.keras)")],
  [/com\.apple\.CoreML/, formatOf("a Core ML package")],
  [/(?:^|\/)saved_model\.pb$/, formatOf("a TensorFlow SavedModel")],
  [
    /(?:^|\/)(?:constants\.pkl|bytecode\.pkl|code\/)/,
    formatOf("a TorchScript program", "torch.save(torch.jit.load(FILE).state_dict(), OUT) saves its weights"),
  ],
  [
    /(?:^|\/)(?:archive_format|serialized_exported_program\.json|models\/[^/]+\.json)$/,
    formatOf(
      "a PyTorch exported program (.pt2)",
      "torch.save(torch.export.load(FILE).state_dict, OUT) saves its weights",
    ),
  ],
  [/^(?:coefficients\.bin|configuration\.json)$/, formatOf("a Deeplearning4j model")],
];

function archiveOf(bytes: Uint8Array, where: string): Foreign | undefined {
  if (!startsAt(bytes, 0, [0x50, 0x4b])) return undefined;
  if (/\.distcp$/.test(where)) return distributed;
  let names: string[];
  try {
    names = [...readZip(bytes, where).keys()];
  } catch {
    // Its reader reports what is wrong.
    return undefined;
  }
  const known = archives.find(([entry]) => names.some((name) => entry.test(name)));
  if (known !== undefined) return known[1];
  if (areArrays(names) || names.some((name) => /(?:^|\/)data\.pkl$/.test(name))) return undefined;
  const shown = names.slice(0, 5).map((name) => JSON.stringify(name.slice(0, 80)));
  const found = names.length === 0 ? "no files" : `${shown.join(", ")}${names.length > 5 ? ", ..." : ""}`;
  const inside = names.find((name) => weightFile.test(name));
  if (inside === undefined) return { is: "a ZIP archive without weights that are known", found, hint: unpack };
  return { is: "a ZIP archive of files, not the weights themselves", found, hint: unpack };
}

const hdf5Mark = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];

/** HDF5 may start with other bytes: its signature is at 0, 512, 1024, 2048, ... */
export function isHdf5(bytes: Uint8Array): boolean {
  for (let start = 0; start + 8 <= bytes.length; start = start === 0 ? 512 : start * 2) {
    if (startsAt(bytes, start, hdf5Mark)) return true;
  }
  return false;
}

/** Names of attributes and groups appear in the file as plain text. */
function hdf5Of(bytes: Uint8Array): Foreign | undefined {
  if (!isHdf5(bytes)) return undefined;
  const part = 2 ** 20;
  const names = latin1(bytes, 0, part) + latin1(bytes, Math.max(part, bytes.length - part), part);
  return /keras_version|layer_names|model_weights|weight_names/.test(names)
    ? formatOf("a Keras file (.h5)")
    : /_self_key|\bvars\b/.test(names) && /_layer_checkpoint|\blayers\b|_checkpoint_dependencies/.test(names)
      ? formatOf("a Keras file (.weights.h5)")
      : undefined;
}

/** Pickles not written by torch.save, by the modules that they name. */
const pickles: readonly (readonly [name: RegExp, is: string])[] = [
  [/StructuredToParameterName@@|paddle/, "a PaddlePaddle file (.pdparams)"],
  [/sklearn/, "a pickled scikit-learn model"],
  [/joblib/, "a joblib file"],
  [/lasagne|theano/, "pickled Theano weights"],
  [/chainer/, "a pickled Chainer model"],
  [/pandas/, "a pickled pandas table"],
  [/numpy/, "a Python pickle of NumPy arrays"],
];

function pickleOf(bytes: Uint8Array): Foreign | undefined {
  const isNewer = bytes[0] === 0x80 && bytes[1]! >= 2 && bytes[1]! <= 5;
  // Protocols 0 and 1: a mark or an empty container, followed by a memo entry.
  const isOlder = /^(?:\((?:d|l|t)?p\d|\(?[}\])]q\0?|c\w+(?:\.\w+)*\n\w+\n)/.test(latin1(bytes, 0, 80));
  if (!(isNewer || isOlder) || isLegacyTorch(bytes)) return undefined;
  const names = latin1(bytes, 0, 2 ** 20) + latin1(bytes, Math.max(2 ** 20, bytes.length - 2 ** 16), 2 ** 16);
  if (/torch\.distributed\.checkpoint/.test(names)) return distributed;
  const known = pickles.find(([name]) => name.test(names));
  const hint = "load it in Python and save the weights with torch.save or as safetensors";
  return { is: `${known?.[1] ?? "a Python pickle"}, which torch.save did not write and which is not read`, hint };
}

const tensorflowGraph = formatOf("a TensorFlow graph (.pb)");

/** Recognises other programs' protobuf files, which like Caffe's and ONNX's have no magic number. */
function protobufOf(bytes: Uint8Array): Foreign | undefined {
  const reader = new ProtoReader(bytes, "");
  let version = false;
  let described = false;
  try {
    for (let i = 0; i < 1000 && reader.next(); i++) {
      const { field, wire } = reader;
      if (field === 1 && wire === WireType.Varint) version = true;
      else if (wire === WireType.LengthDelimited && (field === 1 || field === 2)) {
        const chunk = reader.chunk();
        if (field === 1 && isNode(chunk)) return tensorflowGraph;
        if (field === 1 && startsAt(chunk, 0, [8, 0, 16, 0xff])) return formatOf("a PaddlePaddle program (.pdmodel)");
        if (field === 2 && version && chunk[0] === 0x0a && !isText(chunk)) described = true;
        if (field === 2 && !version && isOperator(chunk)) return formatOf("a Caffe2 network (.pb)");
        continue;
      } else if (described && field >= 200 && field < 4000 && wire === WireType.LengthDelimited) {
        return formatOf("a Core ML model (.mlmodel)");
      }
      if (field > 4000 || (wire !== WireType.Varint && wire !== WireType.LengthDelimited)) return undefined;
      reader.skip();
    }
  } catch {
    // Not protobuf, or truncated.
  }
  return described ? formatOf("a TensorFlow SavedModel (saved_model.pb)") : undefined;
}

const isText = (chunk: Uint8Array) => chunk.every((byte) => byte >= 0x20 && byte < 0x7f);

/** The leading string fields of a small message. */
function stringsIn(chunk: Uint8Array): Map<number, string> {
  const strings = new Map<number, string>();
  const reader = new ProtoReader(chunk, "");
  try {
    while (strings.size < 8 && reader.next()) {
      const { field } = reader;
      if (reader.wire !== WireType.LengthDelimited) reader.skip();
      else {
        const value = reader.chunk();
        if (value.length < 256 && isText(value)) strings.set(field, latin1(value, 0, value.length));
      }
    }
  } catch {
    return new Map();
  }
  return strings;
}

/** TensorFlow's NodeDef: a name and an operation. */
function isNode(chunk: Uint8Array): boolean {
  const strings = chunk[0] === 0x0a ? stringsIn(chunk) : new Map<number, string>();
  return strings.has(1) && /^[A-Z_]\w*$/.test(strings.get(2) ?? "");
}

/** Caffe2's OperatorDef: inputs, outputs and a type, which in Caffe's old layers is a number. */
const isOperator = (chunk: Uint8Array): boolean => {
  const strings = stringsIn(chunk);
  return strings.has(2) && /^[A-Z]\w+$/.test(strings.get(4) ?? "") && !strings.has(5);
};

/** Recognises a file by its name only. */
function nameOf(where: string): Foreign | undefined {
  if (/\.data-\d{5}-of-\d{5}$/.test(where)) {
    return { is: "a TensorFlow checkpoint's values, without the names", hint: "give the .index beside it" };
  }
  if (/\.pdiparams$/i.test(where)) return formatOf("a PaddlePaddle file (.pdiparams)");
  return undefined;
}

/** A hint for unrecognisable bytes with a common extension. */
export function rawHint(where: string): string | undefined {
  if (/\.(?:param|bin)$/i.test(where)) return "raw weights of OpenVINO (.xml) or ncnn (.param) are not read";
  // Its magic number is at its end.
  return /\.index$/i.test(where)
    ? "the index of a TensorFlow checkpoint that is damaged or cut short; fetch or save it again"
    : undefined;
}
