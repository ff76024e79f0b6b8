/**
 * Tensors over HTTP as KServe and Triton speak of them: the V2 inference protocol with its binary tensor data extension,
 * in which a body is a JSON header, and behind it the bytes of the tensors, in their order.
 * (the Open Inference Protocol, and Triton's "Binary Tensor Data Extension")
 */

import { softmaxRow } from "../evaluate/probabilities.ts";
import { tensor } from "../tensor.ts";
import { inputName } from "../zoo/index.ts";
import { parsed, parsedJson } from "./parse.ts";
import { badRequest, tooLarge } from "./refusal.ts";
import { type InferAnswer, type InferRequest, inferRequest } from "./schemas.ts";

/** What can be asked of the logits, row by row. */
const outputs: Readonly<Record<string, (logits: Float32Array) => ArrayLike<number>>> = {
  logits: (logits) => logits,
  probabilities: (logits) => softmaxRow(tensor([1, logits.length], logits), 0),
};

export const extensions: readonly string[] = ["binary_tensor_data"];

/** What a network takes and gives. */
export interface Ends {
  /** Of one input: `[C, S, S]`. */
  readonly input: readonly number[];
  readonly labels: readonly string[];
}

/** −1: as many pictures as are sent. */
export const metadataOf = ({ input, labels }: Ends) => ({
  inputs: [{ name: inputName, datatype: "FP32", shape: [-1, ...input] }],
  outputs: Object.keys(outputs).map((name) => ({ name, datatype: "FP32", shape: [-1, labels.length] })),
});

export interface Inference {
  readonly id: string | undefined;
  /** Each `[C · S · S]`. */
  readonly images: readonly Float32Array[];
  readonly outputs: readonly { readonly name: string; readonly isBinary: boolean }[];
}

/**
 * @param headerLength of the JSON at the body's beginning (`Inference-Header-Content-Length`); absent: all of it
 * @param most images
 * @throws Refusal 400, 413
 */
export function parseInference(
  body: Uint8Array,
  headerLength: string | undefined,
  { input }: Pick<Ends, "input">,
  most: number,
): Inference {
  const length = headerLength === undefined ? body.length : Number(headerLength);
  if (!(Number.isInteger(length) && length >= 0 && length <= body.length)) {
    throw badRequest("Inference-Header-Content-Length does not fit the body", {
      expected: `a number of bytes up to ${body.length}`,
      found: `${headerLength}`.slice(0, 40),
    });
  }
  const request = parsed(inferRequest, parsedJson(body.subarray(0, length)), "the body");
  const [image, ...others] = request.inputs;
  if (others.length > 0 || image!.name !== inputName) {
    throw badRequest("these are not the inputs of the network", {
      expected: `one input, "${inputName}"`,
      found: request.inputs
        .map(({ name }) => name)
        .join(", ")
        .slice(0, 200),
    });
  }
  const data = dataOf(image!, body.subarray(length), input, most);
  const size = input.reduce((a, b) => a * b);
  return {
    id: request.id,
    images: Array.from({ length: data.length / size }, (_, i) => data.slice(i * size, (i + 1) * size)),
    outputs: wantedOf(request),
  };
}

function dataOf(
  { shape, datatype, parameters, data }: InferRequest["inputs"][number],
  binary: Uint8Array,
  input: readonly number[],
  most: number,
): Float32Array {
  const [count = 0, ...rest] = shape;
  if (datatype !== "FP32" || rest.length !== 3 || rest.some((extent, i) => extent !== input[i]) || count === 0) {
    throw badRequest("this is not a tensor that the network takes", {
      expected: `FP32 of the shape [N, ${input.join(", ")}], N from 1`,
      found: `${datatype} [${shape.join(", ")}]`,
    });
  }
  if (count > most) throw tooLarge("these are too many at once", { expected: `at most ${most}`, found: `${count}` });
  const length = shape.reduce((a, b) => a * b);
  const promised = parameters?.binary_data_size;
  if (promised !== undefined) {
    if (data === undefined && promised === 4 * length && binary.length === 4 * length) return floatsOf(binary);
    throw badRequest("the tensor's bytes do not fit its shape", {
      expected: `${4 * length} bytes behind the header, binary_data_size the same, and no data in the header`,
      found: `${binary.length} bytes, binary_data_size ${promised}`,
    });
  }
  const numbers = data === undefined ? [] : flat(data, length);
  if (binary.length === 0 && numbers.length === length) return Float32Array.from(numbers);
  throw badRequest("the tensor's data do not fit its shape", {
    expected: `${length} numbers`,
    found: `${numbers.length}${binary.length > 0 ? `, and ${binary.length} bytes that no tensor claims` : ""}`,
  });
}

/** Little-endian, wherever they begin in the body. */
function floatsOf(bytes: Uint8Array): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

/** The numbers of nested arrays; those beyond `most` are counted at most once. @throws Refusal 400 */
function flat(data: readonly unknown[], most: number): number[] {
  const numbers: number[] = [];
  const take = (values: readonly unknown[], depth: number) => {
    if (depth > 4) throw badRequest("the tensor's data are nested deeper than its shape");
    for (const value of values) {
      if (numbers.length > most) return;
      if (typeof value === "number") numbers.push(value);
      else if (Array.isArray(value)) take(value, depth + 1);
      else throw badRequest("the tensor's data are not all numbers", { found: typeof value });
    }
  };
  take(data, 1);
  return numbers;
}

function wantedOf(request: InferRequest): Inference["outputs"] {
  const allBinary = request.parameters?.binary_data_output === true;
  const wanted = request.outputs ?? Object.keys(outputs).map((name) => ({ name, parameters: undefined }));
  return wanted.map(({ name, parameters }) => {
    if (!Object.hasOwn(outputs, name)) {
      throw badRequest("the network has no such output", { expected: Object.keys(outputs).join(", "), found: name });
    }
    const said = parameters?.binary_data;
    return { name, isBinary: said === undefined ? allBinary : said === true };
  });
}

export interface EncodedAnswer {
  readonly header: string;
  /** Behind the header, in the order of the outputs. */
  readonly binary: readonly Uint8Array[];
}

/** @param logits one row for each image */
export function encodeInference(
  { id, outputs: wanted }: Pick<Inference, "id" | "outputs">,
  logits: readonly Float32Array[],
  { name, version }: { readonly name: string; readonly version: string },
): EncodedAnswer {
  const binary: Uint8Array[] = [];
  const encoded = wanted.map(({ name, isBinary }): InferAnswer["outputs"][number] => {
    const rows = logits.map(outputs[name]!);
    const facts = { name, shape: [rows.length, rows[0]!.length], datatype: "FP32" };
    if (!isBinary) return { ...facts, data: rows.flatMap((row) => Array.from(row)) };
    const bytes = bytesOf(rows);
    binary.push(bytes);
    return { ...facts, parameters: { binary_data_size: bytes.length } };
  });
  const answer: InferAnswer = {
    ...{ model_name: name, model_version: version },
    ...(id !== undefined && { id }),
    outputs: encoded,
  };
  return { header: JSON.stringify(answer), binary };
}

function bytesOf(rows: readonly ArrayLike<number>[]): Uint8Array {
  const bytes = new Uint8Array(4 * rows.length * rows[0]!.length);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const row of rows) for (let i = 0; i < row.length; i++, at += 4) view.setFloat32(at, row[i]!, true);
  return bytes;
}
