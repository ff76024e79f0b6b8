/** ONNX Runtime, where it is installed and loads. */

import type { InferenceSession } from "onnxruntime-node";
import { SenetError } from "../../errors.ts";
import { lazily } from "../../packages.node.ts";
import type { Tensor, TensorData } from "../../tensor.ts";

/** @throws SenetError `executor` with the reason where it does not load */
export const onnxRuntime = lazily<typeof import("onnxruntime-node")>(
  "onnxruntime-node",
  (found, cause) =>
    new SenetError("executor", "ONNX Runtime does not load here", {
      where: "onnxruntime-node",
      found,
      hint: "--executor onednn, or npm install onnxruntime-node (it needs Linux with glibc, macOS or Windows)",
      cause,
    }),
);

/**
 * A model that is ready to run.
 * @param where what it is, for errors
 * @throws SenetError `executor`
 */
export async function createSession(
  model: Uint8Array,
  where: string,
  options: InferenceSession.SessionOptions = {},
): Promise<InferenceSession> {
  const { InferenceSession } = onnxRuntime();
  try {
    return await InferenceSession.create(model, { executionProviders: ["cpu"], logSeverityLevel: 3, ...options });
  } catch (cause) {
    throw failureOf("ONNX Runtime cannot run this graph", where, cause);
  }
}

/** @throws SenetError `executor` naming the operation that failed, where ONNX Runtime says so */
export async function runSession(
  session: InferenceSession,
  where: string,
  feeds: InferenceSession.FeedsType,
  fetches?: InferenceSession.NullableOnnxValueMapType,
): Promise<InferenceSession.OnnxValueMapType> {
  try {
    return await (fetches === undefined ? session.run(feeds) : session.run(feeds, fetches));
  } catch (cause) {
    throw failureOf("ONNX Runtime failed", where, cause);
  }
}

/** Runs the bytes of an ONNX file once, and gives its outputs. */
export async function runOnnx(
  onnx: Uint8Array,
  inputs: ReadonlyMap<string, Tensor>,
  where: string,
): Promise<ReadonlyMap<string, TensorData>> {
  const { Tensor: OrtTensor } = onnxRuntime();
  const session = await createSession(onnx, where);
  try {
    const feeds = Object.fromEntries([...inputs].map(([k, v]) => [k, new OrtTensor(v.dtype, v.data, v.shape)]));
    const outputs = await runSession(session, where, feeds);
    return new Map(Object.entries(outputs).map(([name, { data }]) => [name, data as TensorData]));
  } finally {
    await session.release();
  }
}

/** ONNX Runtime's own words, which hold source lines and stack traces, as an error of ours. */
export function failureOf(what: string, graph: string, cause: unknown): SenetError {
  const text = cause instanceof Error ? cause.message : String(cause);
  const node = /running (\S+) node\.? Name:\s*'([^']*)'/.exec(text);
  const isMemory = /allocat|bad_alloc|out of memory|BFCArena|MemoryError/i.test(text);
  const reason = /(?:Status Message|Message|what\(\)):\s*([^\n]*)/i.exec(text)?.[1] ?? text.split("\n")[0]!;
  return new SenetError("executor", isMemory ? `${what}: there is not enough memory` : what, {
    where: node === null ? graph : `${graph}, ${node[2]} (${node[1]})`,
    found: reason.trim().slice(0, 300),
    hint: isMemory
      ? "a smaller --batch-size or --image-size, or close other programs; in training --executor onednn --recompute"
      : "--executor onednn or --executor reference",
    cause,
  });
}
