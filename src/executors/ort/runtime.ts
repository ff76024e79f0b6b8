/** The interface to an ONNX Runtime, in Node, in a browser, or another build. */

import { causeText, option, SenetError } from "../../errors.ts";
import type { Tensor, TensorData } from "../../tensor.ts";
import type { Dialect } from "./emitter.ts";

/** The parts of ONNX Runtime's JavaScript API that are used, common to onnxruntime-node and onnxruntime-web. */
export interface OnnxRuntime {
  readonly InferenceSession: { create(model: Uint8Array, options?: object): Promise<OnnxSession> };
  readonly Tensor: new (type: never, data: never, dims: readonly number[]) => OnnxTensor;
}

export interface OnnxSession {
  readonly inputNames: readonly string[];
  run(feeds: Readonly<Record<string, never>>, fetches?: never): Promise<Readonly<Record<string, OnnxTensor>>>;
  release(): Promise<void>;
}

export interface OnnxTensor {
  readonly data: unknown;
}

export type OnnxTensors = Record<string, OnnxTensor>;

/** The host of an ONNX Runtime. */
export interface OrtHost {
  /** @throws SenetError `executor` with the reason where it does not load */
  readonly runtime: () => OnnxRuntime;
  /** One line for `senet doctor`. */
  readonly description: () => string;
  /** The engine that runs graphs; default: `cpu`, which also describes WebAssembly. */
  readonly dialect?: Dialect;
  /** Session options for `threads` threads; undefined: as many as are good here. */
  readonly session?: (threads: number | undefined) => object;
  /** Hint for failures other than lack of memory. */
  readonly hint?: string;
  /** Whether a run writes into output tensors passed to it, as Node's bindings do. */
  readonly writesInPlace: boolean;
}

/** Wraps a tensor for ONNX Runtime without copying. */
export const onnxTensor = ({ Tensor }: OnnxRuntime, { dtype, shape, data }: Tensor): OnnxTensor =>
  new Tensor(dtype as never, data as never, shape);

/**
 * Creates a session for a model.
 * @param where describes the model, for errors
 * @throws SenetError `executor`
 */
export async function createSession(
  host: OrtHost,
  model: Uint8Array,
  where: string,
  threads?: number,
): Promise<OnnxSession> {
  const { InferenceSession } = host.runtime();
  try {
    return await InferenceSession.create(model, { logSeverityLevel: 3, ...host.session?.(threads) });
  } catch (cause) {
    throw failureOf("ONNX Runtime cannot run this graph", where, cause, host);
  }
}

/** @throws SenetError `executor` naming the operation that failed, where ONNX Runtime says so */
export async function runSession(
  host: Pick<OrtHost, "hint">,
  session: OnnxSession,
  where: string,
  feeds: OnnxTensors,
  fetches?: OnnxTensors,
): Promise<Readonly<OnnxTensors>> {
  try {
    const given = feeds as Readonly<Record<string, never>>;
    return await (fetches === undefined ? session.run(given) : session.run(given, fetches as never));
  } catch (cause) {
    throw failureOf("ONNX Runtime failed", where, cause, host);
  }
}

/** Runs an ONNX file once and returns its outputs. */
export async function runModel(
  host: OrtHost,
  onnx: Uint8Array,
  inputs: ReadonlyMap<string, Tensor>,
  where: string,
): Promise<ReadonlyMap<string, TensorData>> {
  const session = await createSession(host, onnx, where);
  try {
    const runtime = host.runtime();
    const feeds = Object.fromEntries([...inputs].map(([name, value]) => [name, onnxTensor(runtime, value)]));
    const outputs = await runSession(host, session, where, feeds);
    return new Map(Object.entries(outputs).map(([name, { data }]) => [name, data as TensorData]));
  } finally {
    await session.release();
  }
}

/** Converts ONNX Runtime's errors, which contain source lines and stack traces, to ours. */
export function failureOf(
  what: string,
  graph: string,
  cause: unknown,
  { hint = `${option("executor")} onednn or ${option("executor")} reference` }: Pick<OrtHost, "hint"> = {},
): SenetError {
  if (cause instanceof SenetError) return cause;
  const text = causeText(cause);
  const node = /running (\S+) node\.? Name:\s*'([^']*)'/.exec(text);
  const isMemory = /allocat|bad_alloc|out of memory|BFCArena|MemoryError/i.test(text);
  const reason = /(?:Status Message|Message|what\(\)):\s*([^\n]*)/i.exec(text)?.[1] ?? text.split("\n")[0]!;
  return new SenetError("executor", isMemory ? `${what}: there is not enough memory` : what, {
    where: node === null ? graph : `${graph}, ${node[2]} (${node[1]})`,
    found: reason.trim().slice(0, 300),
    hint: isMemory
      ? `a smaller ${option("batchSize")} or ${option("imageSize")}, or close other programs; in training ${option("executor")} onednn ${option("recompute")}`
      : hint,
    cause,
  });
}
