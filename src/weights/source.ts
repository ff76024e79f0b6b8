/** Reads the contents of weight files of any format, before their network is identified. */

import { option, SenetError } from "../errors.ts";
import { failAt, shownName } from "../formats/bytes.ts";
import type { CaffeLayer } from "../formats/caffemodel.ts";
import { detectFormat } from "../formats/detect.ts";
import { type Content, type FormatFile, formats, type WeightFormat } from "../formats/formats.ts";
import type { McnNetwork } from "../formats/matconvnet.ts";
import type { MxnetSymbol } from "../formats/mxnet-symbol.ts";
import type { OnnxModel } from "../formats/onnx-initialisers.ts";
import type { CaffeMessage } from "../formats/prototxt.ts";
import type { SaidLabels } from "../formats/torch-state.ts";
import type { HubConfig } from "../import/hub.ts";
import { matconvnetSource } from "../import/matconvnet.ts";
import { caffeSource, ourEps, type WeightSource } from "../import/rename.ts";
import type { Tensor } from "../tensor.ts";
import type { NetworkFunction } from "../zoo/index.ts";
import { type Carried, carriedInName, readCarried } from "./carried.ts";
import { type Checkpoint, isCheckpoint } from "./checkpoint.ts";
import { decodeCheckpoint } from "./decode-checkpoint.ts";

export interface WeightFile extends FormatFile {
  /** The whole path, whose folders may identify the release; default: `where`. */
  readonly path?: string;
  /** timm's `config.json` next to it. */
  readonly hub?: HubConfig | undefined;
  /** All files of a model in several files; `bytes` are those of the index or of one part. */
  readonly parts?: Parts;
}

export interface Parts {
  readonly files: readonly WeightFile[];
  /** All tensors named in the index. */
  readonly names?: readonly string[];
}

/** Our own file, a file with weights, or a definition for another one. */
type Meaning =
  | { readonly kind: "checkpoint"; readonly checkpoint: Checkpoint }
  | {
      readonly kind: "weights";
      readonly source: WeightSource;
      readonly carried: Carried;
      /** Class names stored with the weights; the network's, if there are as many as classes. */
      readonly saidLabels?: readonly SaidLabels[];
      readonly onnx?: OnnxModel;
      readonly matconvnet?: McnNetwork;
      /** A caffemodel's layers and definition; an HDF5 file has layers without definitions. */
      readonly caffe?: { readonly layers: readonly CaffeLayer[]; readonly definition?: CaffeMessage };
    }
  | { readonly kind: "definition"; readonly definition: CaffeMessage }
  /** The graph of an MXNet network. */
  | { readonly kind: "symbol"; readonly symbol: MxnetSymbol }
  /** The mean of a Caffe network's pictures. */
  | { readonly kind: "mean"; readonly blob: Tensor };

export type FileContent = Meaning & {
  readonly where: string;
  readonly format: WeightFormat;
  /** What was guessed or chosen while reading it; see `Opened.notes`. */
  readonly notes?: readonly string[];
};

/** The caller's knowledge about a file. */
export interface ReadOptions {
  readonly state?: string | undefined;
  readonly build?: NetworkFunction | undefined;
}

/**
 * @param options `state`: which weights in a PyTorch checkpoint (see parseTorch); `build`: see decodeCheckpoint
 * @throws SenetError (as a rejection) `weights` where the file is damaged or in no supported format; `usage` where it
 * has no such `state`
 */
export async function readContent(file: WeightFile, options: ReadOptions = {}): Promise<FileContent> {
  const { state, build } = options;
  const { bytes, where, parts } = file;
  if (parts !== undefined) return readParts(file, parts, options);
  const format = detectFormat(bytes, where);
  const row = formats.find(({ name }) => name === format)!;
  if (state !== undefined && !row.hasStates) {
    throw new SenetError("usage", "this file has one set of weights only", {
      where,
      expected: `a PyTorch checkpoint for ${option("state")}`,
      found: format,
    });
  }
  return { where, format, ...meaningOf(await row.read(file, state), file, build) };
}

/** Without integers and scalars, which are counters or shapes, never weights of layers. */
const weightsIn = (tensors: ReadonlyMap<string, Tensor>) =>
  new Map([...tensors].filter(([, { dtype, shape }]) => dtype !== "int32" && shape.length > 0));

/** Recognises our own files, and our data in files with other names. */
function meaningOf(
  content: Content,
  { bytes, where }: WeightFile,
  build: NetworkFunction | undefined,
): Meaning & Pick<FileContent, "notes"> {
  switch (content.kind) {
    case "tensors": {
      const { tensors, metadata = new Map(), labels, notes, hasCounters = false, onnx } = content;
      if (isCheckpoint(metadata)) return { kind: "checkpoint", checkpoint: decodeCheckpoint(bytes, where, build) };
      return {
        kind: "weights",
        source: { kind: "tensors", tensors: hasCounters ? weightsIn(tensors) : tensors },
        carried: readCarried(metadata, where),
        ...(labels && { saidLabels: labels }),
        ...(notes && { notes }),
        ...(onnx && { onnx }),
      };
    }
    case "layers": {
      const { layers, name, definition } = content;
      const carried = name === undefined ? {} : carriedInName(name, where);
      const caffe = { layers, ...(definition && { definition }) };
      return { kind: "weights", source: caffeSource(layers), carried, caffe };
    }
    case "matconvnet": {
      const { network } = content;
      return { kind: "weights", source: matconvnetSource(network, ourEps), carried: {}, matconvnet: network };
    }
    case "definition":
    case "symbol":
    case "mean":
      return content;
  }
}

/** Reads the tensors of a model in several files. */
async function readParts({ where }: WeightFile, { files, names }: Parts, options: ReadOptions): Promise<FileContent> {
  const fail = failAt(where);
  const tensors = new Map<string, Tensor>();
  const contents = await Promise.all(files.map((file) => readContent(file, options)));
  for (const content of contents) {
    if (content.kind !== "weights" || content.source.kind !== "tensors") {
      return fail("this is not part of a model in several files", { found: `${content.format}: ${content.where}` });
    }
    for (const [name, tensor] of content.source.tensors) {
      if (tensors.has(name)) fail(`the tensor ${shownName(name)} is in two files`);
      tensors.set(name, tensor);
    }
  }
  const missing = names?.filter((name) => !tensors.has(name)) ?? [];
  if (missing.length > 0) {
    fail(`the files lack ${missing.length} of the tensors that the index names`, {
      found: missing.slice(0, 5).map(shownName).join(", "),
    });
  }
  return { where, format: contents[0]!.format, kind: "weights", source: { kind: "tensors", tensors }, carried: {} };
}
