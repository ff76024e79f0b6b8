/**
 * Tensors over HTTP for clients of KServe and Triton: the V2 inference protocol (Open Inference Protocol) with Triton's
 * "Binary Tensor Data Extension", in which a body is a JSON header followed by the bytes of the tensors.
 */

import { softmaxRow, topK } from "../evaluate/probabilities.ts";
import { tensor } from "../tensor.ts";
import { inputName } from "../zoo/index.ts";
import { parsed, parsedJson } from "./parse.ts";
import { badRequest, tooLarge } from "./refusal.ts";
import { type InferAnswer, type InferRequest, inferRequest } from "./schemas.ts";

/** The outputs, computed from the logits row by row. */
const outputs: Readonly<Record<string, (logits: Float32Array) => ArrayLike<number>>> = {
  logits: (logits) => logits,
  probabilities: (logits) => softmaxRow(tensor([1, logits.length], logits), 0),
};

export const extensions: readonly string[] = ["binary_tensor_data", "classification", "model_configuration"];

/** Input and outputs of a network. */
export interface Ends {
  /** Shape of one picture: `[C, S, S]`. */
  readonly input: readonly number[];
  readonly labels: readonly string[];
}

/** Metadata; −1 means any number of pictures. */
export const metadataOf = ({ input, labels }: Ends) => ({
  inputs: [{ name: inputName, datatype: "FP32", shape: [-1, ...input] }],
  outputs: Object.keys(outputs).map((name) => ({ name, datatype: "FP32", shape: [-1, labels.length] })),
});

/** Triton's model configuration. @param most images per request */
export const configOf = ({ input, labels }: Ends, most: number) => ({
  backend: "senet",
  max_batch_size: most,
  input: [{ name: inputName, data_type: "TYPE_FP32", dims: [...input] }],
  output: Object.keys(outputs).map((name) => ({ name, data_type: "TYPE_FP32", dims: [labels.length] })),
});

interface WantedOutput {
  readonly name: string;
  readonly isBinary: boolean;
  /** Number of best classes to return as text instead of all numbers (Triton's classification extension). */
  readonly classes: number | undefined;
}

export interface Inference {
  readonly id: string | undefined;
  /** Each `[C · S · S]`. */
  readonly images: readonly Float32Array[];
  readonly outputs: readonly WantedOutput[];
}

/**
 * @param headerLength length of the JSON at the start of the body (`Inference-Header-Content-Length`); undefined: all
 * of it
 * @param most most images
 * @throws Refusal 400, 413
 */
export function parseInference(
  body: Uint8Array,
  headerLength: string | undefined,
  { input }: Pick<Ends, "input">,
  most: number,
): Inference {
  const isLength = headerLength === undefined || /^\d{1,12}$/.test(headerLength);
  const length = headerLength === undefined ? body.length : Number(headerLength);
  if (!isLength || length > body.length) {
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
    id: request.id ?? undefined,
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
    if (data == null && promised === 4 * length && binary.length === 4 * length) return floatsOf(binary);
    throw badRequest("the tensor's bytes do not fit its shape", {
      expected: `${4 * length} bytes behind the header, binary_data_size the same, and no data in the header`,
      found: `${binary.length} bytes, binary_data_size ${promised}`,
    });
  }
  const numbers = flat(data ?? [], length);
  if (binary.length === 0 && numbers.length === length) return Float32Array.from(numbers);
  throw badRequest("the tensor's data do not fit its shape", {
    expected: `${length} numbers`,
    found: `${numbers.length}${binary.length > 0 ? `, and ${binary.length} bytes that no tensor claims` : ""}`,
  });
}

/** Little-endian, as everything that runs JavaScript today; a copy, since they may begin anywhere in the body. */
const floatsOf = (bytes: Uint8Array): Float32Array => new Float32Array(Uint8Array.from(bytes).buffer);

/** Flattens nested arrays; stops after `most` numbers. @throws Refusal 400 */
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
  const all = Object.keys(outputs).map((name) => ({ name, parameters: undefined }));
  // An empty list means all outputs, like no list.
  return (request.outputs?.length ? request.outputs : all).map(({ name, parameters }) => {
    if (!Object.hasOwn(outputs, name)) {
      throw badRequest("the network has no such output", { expected: Object.keys(outputs).join(", "), found: name });
    }
    const { binary_data: said, classification } = parameters ?? {};
    const isBinary = said === undefined ? allBinary : said === true;
    return { name, isBinary, classes: classesOf(classification) };
  });
}

/** @throws Refusal 400 */
function classesOf(said: unknown): number | undefined {
  // Triton's clients send 0 if they want numbers.
  if (said === undefined || said === 0) return undefined;
  if (typeof said === "number" && Number.isInteger(said) && said > 0) return said;
  throw badRequest("classification is not as it has to be", {
    expected: "how many classes are wanted",
    found: `${said}`.slice(0, 40),
  });
}

export interface EncodedAnswer {
  readonly header: string;
  /** Follows the header, in the order of the outputs. */
  readonly binary: readonly Uint8Array[];
}

/**
 * @param logits one row per image
 * @throws Refusal 400 where JSON was requested but cannot represent a number
 */
export function encodeInference(
  { id, outputs: wanted }: Pick<Inference, "id" | "outputs">,
  logits: readonly Float32Array[],
  { name, version, labels }: Pick<Ends, "labels"> & { readonly name: string; readonly version: string },
): EncodedAnswer {
  const binary: Uint8Array[] = [];
  const encoded = wanted.map(({ name, isBinary, classes }): InferAnswer["outputs"][number] => {
    const rows = logits.map(outputs[name]!);
    const found = classes === undefined ? numbersOf(rows) : wordsOf(rows, Math.min(classes, labels.length), labels);
    const { shape, datatype, data, bytes } = found;
    if (!isBinary) return { name, shape, datatype, data: checkedFinite(data()) };
    binary.push(bytes());
    return { name, shape, datatype, parameters: { binary_data_size: binary.at(-1)!.length } };
  });
  const answer: InferAnswer = {
    model_name: name,
    model_version: version,
    ...(id !== undefined && { id }),
    outputs: encoded,
  };
  return { header: JSON.stringify(answer), binary };
}

interface EncodedTensor {
  readonly shape: number[];
  readonly datatype: string;
  readonly data: () => (number | string)[];
  readonly bytes: () => Uint8Array;
}

type Rows = readonly ArrayLike<number>[];

const numbersOf = (rows: Rows): EncodedTensor => ({
  shape: [rows.length, rows[0]!.length],
  datatype: "FP32",
  data: () => rows.flatMap((row) => Array.from(row)),
  bytes: () => bytesOf(rows),
});

/** Classes as `0.912345:281:tabby`, with six digits like Triton; in binary form each text is preceded by its length. */
function wordsOf(rows: Rows, classes: number, labels: readonly string[]): EncodedTensor {
  const texts = rows.flatMap((row) =>
    topK(row, classes).map((index) => `${row[index]!.toFixed(6)}:${index}:${labels[index]}`),
  );
  const bytes = () =>
    Uint8Array.from(
      texts.flatMap((text) => {
        const encoded = new TextEncoder().encode(text);
        return [...[0, 8, 16, 24].map((shift) => encoded.length >> shift), ...encoded];
      }),
    );
  return { shape: [rows.length, classes], datatype: "BYTES", data: () => texts, bytes };
}

function checkedFinite(data: (number | string)[]): (number | string)[] {
  if (data.every((value) => typeof value === "string" || Number.isFinite(value))) return data;
  throw badRequest("the network's answer for these tensors is not finite", {
    hint: "JSON cannot say it; binary_data can",
  });
}

function bytesOf(rows: Rows): Uint8Array {
  const bytes = new Uint8Array(4 * rows.length * rows[0]!.length);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const row of rows) for (let i = 0; i < row.length; i++, at += 4) view.setFloat32(at, row[i]!, true);
  return bytes;
}
