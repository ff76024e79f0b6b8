/** The formats that are read, as a table: a new one is its file and its row here. */

import type { Tensor } from "../tensor.ts";
import { bareLayers, parseCaffeHdf5 } from "./caffe-hdf5.ts";
import { type CaffeLayer, parseCaffemodel, readBlob } from "./caffemodel.ts";
import { isHdf5, textStart } from "./foreign.ts";
import { type McnNetwork, matconvnetIn } from "./matconvnet.ts";
import { isMatlab, parseMatlab5 } from "./matlab5.ts";
import { parseMatlab73 } from "./matlab73.ts";
import { isMxnetParams, parseMxnetParams } from "./mxnet.ts";
import { isMxnetSymbol, type MxnetSymbol, parseMxnetSymbol } from "./mxnet-symbol.ts";
import { isNpy, isNpz, parseNumpy } from "./numpy.ts";
import { type ExternalData, externalFiles, type OnnxModel, parseOnnxInitialisers } from "./onnx-initialisers.ts";
import { protobufKind } from "./protobuf-kind.ts";
import { type CaffeMessage, parsePrototxt } from "./prototxt.ts";
import { parseSafetensors } from "./safetensors.ts";
import { isTensorflowIndex, parseTensorflow } from "./tensorflow.ts";
import { isLegacyTorch, parseTorch } from "./torch.ts";
import type { SaidLabels } from "./torch-state.ts";

export interface FormatFile {
  readonly bytes: Uint8Array;
  /** Its name, for errors. */
  readonly where: string;
  /** The bytes of a file in the same folder. @throws SenetError (as a rejection) where it is none, or not in there */
  readonly beside?: (name: string) => Promise<Uint8Array>;
}

/** What a file holds; of which network it is, nobody knows yet. */
export type Content =
  | {
      readonly kind: "tensors";
      readonly tensors: ReadonlyMap<string, Tensor>;
      /** What a safetensors file says besides. */
      readonly metadata?: ReadonlyMap<string, string>;
      /** Names of classes beside the weights. */
      readonly labels?: readonly SaidLabels[];
      /** What was chosen in reading it, a line each. */
      readonly notes?: readonly string[];
      /** Beside weights there may be counters and other single numbers, which are no weights. */
      readonly hasCounters?: boolean;
      /** The graph that the tensors are of. */
      readonly onnx?: OnnxModel;
    }
  | {
      /** All layers of a Caffe network; HDF5 has neither its name nor its definition. */
      readonly kind: "layers";
      readonly layers: readonly CaffeLayer[];
      readonly name?: string;
      readonly definition?: CaffeMessage;
    }
  /** A network of MatConvNet's, with its weights. */
  | { readonly kind: "matconvnet"; readonly network: McnNetwork }
  /** Of a Caffe network. */
  | { readonly kind: "definition"; readonly definition: CaffeMessage }
  /** The graph of an MXNet network. */
  | { readonly kind: "symbol"; readonly symbol: MxnetSymbol }
  /** The mean of a Caffe network's pictures. */
  | { readonly kind: "mean"; readonly blob: Tensor };

interface Format {
  readonly name: string;
  /** For people, who are told what is read. */
  readonly title: string;
  /** Its mark counts before those of other programs' formats, which may look for less. */
  readonly isSure: boolean;
  /** Whether a file may have several sets of weights, of which one is chosen by name. */
  readonly hasStates: boolean;
  /** By its content. The first row that says yes has it. */
  detect(bytes: Uint8Array): boolean;
  /** @throws SenetError `weights` (also as a rejection) where it is damaged, `usage` where there is no such state */
  read(file: FormatFile, state?: string): Content | Promise<Content>;
}

/** They are of one program, and named together. */
const caffe = "Caffe (caffemodel, prototxt, HDF5)";

const mxnet = "MXNet (params, symbol.json)";

const rows = [
  {
    name: "safetensors",
    title: "safetensors",
    // The length that it begins with may look like another format's magic number.
    isSure: true,
    hasStates: false,
    detect: isSafetensors,
    read: ({ bytes, where }) => ({ kind: "tensors", ...parseSafetensors(bytes, where) }),
  },
  {
    name: "numpy",
    title: "NumPy (npy, npz)",
    isSure: false,
    hasStates: false,
    detect: (bytes) => isNpy(bytes) || isNpz(bytes),
    read: async ({ bytes, where }) => ({ kind: "tensors", hasCounters: true, ...(await parseNumpy(bytes, where)) }),
  },
  {
    name: "mxnet",
    title: mxnet,
    isSure: false,
    hasStates: false,
    detect: isMxnetParams,
    read: ({ bytes, where }) => ({ kind: "tensors", hasCounters: true, tensors: parseMxnetParams(bytes, where) }),
  },
  {
    name: "mxnet-symbol",
    title: mxnet,
    // Other JSON is told apart by less.
    isSure: true,
    // As a prototxt.
    hasStates: true,
    detect: (bytes) => isMxnetSymbol(textStart(bytes)),
    read: ({ bytes, where }) => ({ kind: "symbol", symbol: parseMxnetSymbol(bytes, where) }),
  },
  {
    name: "matlab",
    title: "MATLAB (MatConvNet's mat)",
    // Its version 7.3 has HDF5 behind its own mark.
    isSure: true,
    hasStates: false,
    detect: isMatlab,
    read: async ({ bytes, where }) => {
      const variables = await (isHdf5(bytes) ? parseMatlab73 : parseMatlab5)(bytes, where);
      return { kind: "matconvnet", network: matconvnetIn(variables, where) };
    },
  },
  {
    name: "tensorflow",
    title: "TensorFlow (checkpoints of version 2)",
    isSure: false,
    hasStates: false,
    detect: isTensorflowIndex,
    read: async ({ bytes, where, beside }) => {
      return { kind: "tensors", hasCounters: true, ...(await parseTensorflow(bytes, where, beside)) };
    },
  },
  {
    name: "torch",
    title: "PyTorch",
    isSure: false,
    hasStates: true,
    detect: (bytes) => (bytes[0] === 0x50 && bytes[1] === 0x4b) || isLegacyTorch(bytes),
    read: async ({ bytes, where }, state) => ({ kind: "tensors", ...(await parseTorch(bytes, where, state)) }),
  },
  {
    name: "caffe-hdf5",
    title: caffe,
    isSure: false,
    hasStates: false,
    detect: isHdf5,
    read: async ({ bytes, where }) => ({
      kind: "layers",
      layers: bareLayers(await parseCaffeHdf5(bytes, where), where),
    }),
  },
  {
    name: "onnx",
    title: "ONNX",
    isSure: false,
    hasStates: false,
    detect: (bytes) => protobufKind(bytes) === "onnx",
    read: async (file) => {
      const onnx = parseOnnxInitialisers(file.bytes, file.where, await externalData(file));
      return { kind: "tensors", tensors: onnx.tensors, hasCounters: true, onnx };
    },
  },
  {
    name: "caffemodel",
    title: caffe,
    isSure: false,
    hasStates: false,
    detect: (bytes) => protobufKind(bytes) === "caffemodel",
    read: ({ bytes, where }) => ({ kind: "layers", ...parseCaffemodel(bytes, where) }),
  },
  {
    name: "binaryproto",
    title: caffe,
    isSure: false,
    hasStates: false,
    detect: (bytes) => protobufKind(bytes) === "binaryproto",
    read: ({ bytes, where }) => ({ kind: "mean", blob: readBlob(bytes, where) }),
  },
  {
    name: "prototxt",
    title: caffe,
    isSure: false,
    // Given beside weights, it has nothing to do with their state.
    hasStates: true,
    detect: (bytes) => /^(?:\s|#[^\n]*\n)*[A-Za-z_][A-Za-z0-9_]*\s*[:{]/.test(textStart(bytes)),
    read: ({ bytes, where }) => ({ kind: "definition", definition: parsePrototxt(bytes, where) }),
  },
] as const satisfies readonly Format[];

export type WeightFormat = (typeof rows)[number]["name"];

/** In the order in which their marks are looked for. */
export const formats: readonly (Format & { readonly name: WeightFormat })[] = rows;

/** A length that is possible, then an object of JSON; its reader finds out the rest. */
function isSafetensors(bytes: Uint8Array): boolean {
  if (bytes.length < 9 || bytes[8] !== 0x7b) return false;
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  return length <= 100_000_000n;
}

/** The values that an ONNX model keeps in files beside it. */
async function externalData({ bytes, where, beside }: FormatFile): Promise<ExternalData> {
  const data = new Map<string, Uint8Array>();
  if (beside === undefined) return data;
  for (const name of externalFiles(bytes, where)) data.set(name, await beside(name));
  return data;
}
