/** The table of supported formats; a new one is its file and its row here. */

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
import { externalFiles, type OnnxModel, parseOnnxInitialisers } from "./onnx-initialisers.ts";
import type { ExternalData } from "./onnx-tensor.ts";
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
  /** Reads a file in the same folder. @throws SenetError (as a rejection) where there is none, or it is elsewhere */
  readonly beside?: (name: string) => Promise<Uint8Array>;
}

/** Content of a file, before its network is identified. */
export type Content =
  | {
      readonly kind: "tensors";
      readonly tensors: ReadonlyMap<string, Tensor>;
      /** Metadata of a safetensors file. */
      readonly metadata?: ReadonlyMap<string, string>;
      /** Class names stored with the weights. */
      readonly labels?: readonly SaidLabels[];
      /** What was chosen while reading it, one line each. */
      readonly notes?: readonly string[];
      /** Whether the file may contain counters and other scalars, which are not weights. */
      readonly hasCounters?: boolean;
      /** The graph to which the tensors belong. */
      readonly onnx?: OnnxModel;
    }
  | {
      /** All layers of a Caffe network; HDF5 files lack its name and definition. */
      readonly kind: "layers";
      readonly layers: readonly CaffeLayer[];
      readonly name?: string;
      readonly definition?: CaffeMessage;
    }
  /** A MatConvNet network with its weights. */
  | { readonly kind: "matconvnet"; readonly network: McnNetwork }
  /** Definition of a Caffe network. */
  | { readonly kind: "definition"; readonly definition: CaffeMessage }
  /** The graph of an MXNet network. */
  | { readonly kind: "symbol"; readonly symbol: MxnetSymbol }
  /** The mean of a Caffe network's pictures. */
  | { readonly kind: "mean"; readonly blob: Tensor };

interface Format {
  readonly name: string;
  /** Name for users. */
  readonly title: string;
  /** Whether it is detected before other programs' formats, whose detection may be weaker. */
  readonly isSure: boolean;
  /** Whether a file may have several sets of weights, one of which is chosen by name. */
  readonly hasStates: boolean;
  /** Detects the format by content; the first matching row is used. */
  detect(bytes: Uint8Array): boolean;
  /**
   * Reads a file. @throws SenetError `weights` (also as a rejection) where it is damaged; `usage` where there is no
   * such state
   */
  read(file: FormatFile, state?: string): Content | Promise<Content>;
}

/** Shown as one entry, since they belong to one program. */
const caffe = "Caffe (caffemodel, prototxt, HDF5)";

const mxnet = "MXNet (params, symbol.json)";

const rows = [
  {
    name: "safetensors",
    title: "safetensors",
    // The length at its start may look like another format's magic number.
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
    // Other JSON formats have weaker marks.
    isSure: true,
    // As a prototxt.
    hasStates: true,
    detect: (bytes) => isMxnetSymbol(textStart(bytes)),
    read: ({ bytes, where }) => ({ kind: "symbol", symbol: parseMxnetSymbol(bytes, where) }),
  },
  {
    name: "matlab",
    title: "MATLAB (MatConvNet's mat)",
    // Version 7.3 is HDF5 after a header of its own.
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
    // Given with weights, it is independent of their state.
    hasStates: true,
    detect: (bytes) => /^(?:\s|#[^\n]*\n)*[A-Za-z_][A-Za-z0-9_]*\s*[:{]/.test(textStart(bytes)),
    read: ({ bytes, where }) => ({ kind: "definition", definition: parsePrototxt(bytes, where) }),
  },
] as const satisfies readonly Format[];

export type WeightFormat = (typeof rows)[number]["name"];

/** In order of detection. */
export const formats: readonly (Format & { readonly name: WeightFormat })[] = rows;

/** A plausible length followed by a JSON object; its reader checks the rest. */
function isSafetensors(bytes: Uint8Array): boolean {
  if (bytes.length < 9 || bytes[8] !== 0x7b) return false;
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  return length <= 100_000_000n;
}

/** Reads the files in which an ONNX model stores values. */
async function externalData({ bytes, where, beside }: FormatFile): Promise<ExternalData> {
  const data = new Map<string, Uint8Array>();
  if (beside === undefined) return data;
  for (const name of externalFiles(bytes, where)) data.set(name, await beside(name));
  return data;
}
