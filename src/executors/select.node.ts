/** Chooses the executor and says why. Engines are only loaded once chosen. */

import { causeText, option, SenetError } from "../errors.ts";
import type { Graph } from "../ir/graph.ts";
import { nearestNames } from "../names.ts";
import type { Tensor, TensorData } from "../tensor.ts";
import type { Executor } from "./executor.ts";

export {
  allFound as measuredChoices,
  type Found as MeasuredChoice,
  forget as forgetChoices,
  summariesOf as summariesOfChoices,
  tell as tellChoice,
} from "./onednn/tuned.node.ts";
export { encodeOnnx } from "./ort/export.ts";

export interface Selection {
  readonly executor: Executor;
  /** Why it was chosen, for messages: "the default", ... */
  readonly reason: string;
}

/**
 * `bf16` applies to activations and the weights multiplied with them; master weights, statistics and loss stay in
 * float32.
 */
export type Precision = "float32" | "bf16";

export const precisions: readonly Precision[] = ["float32", "bf16"];

/** `auto`: bf16 if it is faster on this processor, otherwise float32. */
export type PrecisionChoice = Precision | "auto";

export const precisionChoices: readonly PrecisionChoice[] = [...precisions, "auto"];

export interface SelectOptions {
  /** Name of the executor; default: the fastest that loads on this machine. */
  readonly name?: string | undefined;
  /** Determines which executor is the fastest; default: inference. */
  readonly purpose?: "training" | "inference";
  readonly precision?: PrecisionChoice | undefined;
  /**
   * Whether the network is in eight bits, which may make another executor the fastest; `auto` then keeps its precision.
   */
  readonly inEightBits?: boolean;
  /** Told, in a line, where another executor has to serve: of a graph, or because a library of oneDNN is no good. */
  readonly say?: (line: string) => void;
}

/**
 * Loaders by name, which throw if the engine does not load. Since engines are native code that may fail to load, each
 * must throw when it is created, not when it first runs.
 */
const executors: Readonly<Record<string, (precision: Precision) => Promise<Executor>>> = {
  onednn: async (precision) => (await import("./onednn/executor.node.ts")).createOnednnExecutor({ precision }),
  ort: async () => (await import("./ort/executor.node.ts")).loadedOrtExecutor(),
  reference: async () => (await import("./reference/reference.ts")).referenceExecutor,
};

export const executorNames: readonly string[] = Object.keys(executors);

/**
 * The executor of that name, or the fastest that loads on this machine. Without a name, graphs that oneDNN does not
 * support run on ONNX Runtime as a whole.
 * @throws SenetError `usage`, with the nearest names, where there is no such executor; `executor` where it does not
 * load or lacks the precision
 */
export async function selectExecutor(options: SelectOptions = {}): Promise<Selection> {
  const { name, precision = "float32", inEightBits = false } = options;
  if (precision === "auto")
    return inEightBits ? selectExecutor({ ...options, precision: "float32" }) : selectFastest(options);
  if (name === undefined)
    return precision === "bf16"
      ? { ...(await named("onednn", precision)), reason: "for bf16" }
      : selectDefault(options);
  if (!Object.hasOwn(executors, name)) {
    throw new SenetError("usage", `there is no executor "${name}"`, {
      expected: executorNames.join(", "),
      hint: nearestNames(name, executorNames, 1).join(", "),
    });
  }
  if (precision !== "float32" && name !== "onednn") {
    throw new SenetError("usage", `the executor "${name}" computes in float32 only`, {
      where: `${option("precision")} ${precision}`,
      hint: `${option("executor")} onednn`,
    });
  }
  return named(name, precision);
}

async function named(name: string, precision: Precision): Promise<Selection> {
  try {
    return { executor: await executors[name]!(precision), reason: "asked for" };
  } catch (cause) {
    if (cause instanceof SenetError) throw cause;
    throw new SenetError("executor", `the executor "${name}" does not load here`, {
      found: messageOf(cause),
      hint: "the reference executor runs everywhere, slowly",
      cause,
    });
  }
}

/** Uses bf16 if it is faster here. */
async function selectFastest(options: SelectOptions): Promise<Selection> {
  const { name, say } = options;
  const isServed = name === undefined || name === "onednn";
  const against = isServed ? await reasonAgainstBf16() : `the executor "${name}" supports nothing else`;
  if (against !== undefined) {
    const { executor, reason } = await selectExecutor({ ...options, precision: "float32" });
    return { executor, reason: `${reason}; in float32: ${against}` };
  }
  const onednn = await executors.onednn!("bf16");
  const ort = name === undefined ? await loaded("ort") : undefined;
  const executor = ort === undefined || ort instanceof Absence ? onednn : withFallback(onednn, ort, say);
  return { executor, reason: "in bf16, which this processor multiplies itself" };
}

/** Why bf16 is not faster than float32 here, in one line; undefined if it is. */
async function reasonAgainstBf16(): Promise<string | undefined> {
  const onednn = await loaded("onednn");
  if (onednn instanceof Absence)
    return `oneDNN, which has bf16, ${onednn.fault === undefined ? "was not found" : "does not load"}`;
  return (await import("./onednn/engine.node.ts")).reasonAgainstBf16();
}

async function selectDefault({ purpose = "inference", inEightBits = false, say }: SelectOptions): Promise<Selection> {
  const ort = await loaded("ort");
  const onednn = await loaded("onednn");
  if (!(onednn instanceof Absence)) {
    const engine = await import("./onednn/engine.node.ts");
    const fallback = ort instanceof Absence ? await executors.reference!("float32") : ort;
    const selection = (reason: string) => ({ executor: withFallback(onednn, fallback, say), reason });
    if (purpose === "training") return selection("the fastest to train with: oneDNN is on this machine");
    if (inEightBits && engine.computesInEightBits()) {
      return selection("the fastest in eight bits: oneDNN is on this machine");
    }
    if (!inEightBits && engine.isFastestAtInference()) return selection("the fastest: oneDNN 2 is on this machine");
    if (ort instanceof Absence) return selection(`oneDNN is on this machine; ${ort.reason}`);
    return { executor: ort, reason: "the default: ONNX Runtime loads on this machine" };
  }
  const executor = ort instanceof Absence ? await executors.reference!("float32") : ort;
  if (onednn.fault !== undefined) say?.(`${onednn.fault}; ${executor.name} computes instead`);
  if (ort instanceof Absence) return { executor, reason: `the fallback, and slow; ${ort.reason}; ${onednn.reason}` };
  return { executor, reason: "the default: ONNX Runtime loads on this machine" };
}

/** Why an executor does not load, in a line. */
class Absence {
  readonly reason: string;
  /** Problems with a library that was named or is installed, for its owner; empty if there are none. */
  readonly fault: string | undefined;

  constructor(cause: unknown) {
    this.reason = messageOf(cause);
    const isSomewhere = cause instanceof SenetError && cause.details.where !== undefined;
    this.fault = isSomewhere ? this.reason : undefined;
  }
}

/** Why the executor of this name does not load here, in one line; undefined if it does. */
export async function absenceOf(name: string): Promise<string | undefined> {
  const executor = await loaded(name);
  return executor instanceof Absence ? executor.reason : undefined;
}

async function loaded(name: string): Promise<Executor | Absence> {
  try {
    return await executors[name]!("float32");
  } catch (cause) {
    return new Absence(cause);
  }
}

/** An executor that runs graphs which `first` does not support on `second`, as a whole. */
export function withFallback(first: Executor, second: Executor, say: (line: string) => void = () => {}): Executor {
  const firstOf = async <T>(graph: Graph, one: () => Promise<T>, other: () => Promise<T>): Promise<T> => {
    try {
      return await one();
    } catch (cause) {
      if (!(cause instanceof SenetError && cause.code === "executor")) throw cause;
      const { where, found } = cause.details;
      const reason = [where, found].filter((part) => part !== undefined).join(": ");
      say(`${first.name} cannot run ${graph.name} (${reason}); ${second.name} runs it instead`);
      return other();
    }
  };
  return {
    name: first.name,
    description: first.description,
    compile: (graph, ...rest) =>
      firstOf(
        graph,
        () => first.compile(graph, ...rest),
        () => second.compile(graph, ...rest),
      ),
    compileTraining: (graph, ...rest) =>
      firstOf(
        graph,
        () => first.compileTraining(graph, ...rest),
        () => second.compileTraining(graph, ...rest),
      ),
  };
}

export interface ExecutorReport {
  readonly name: string;
  readonly available: boolean;
  /** A description, or why it does not load here. */
  readonly description: string;
  /** In lines, what would make it faster, or load. */
  readonly advice: readonly string[];
}

/** Every executor, and whether it loads on this machine; for `senet doctor`. */
export async function describeExecutors(): Promise<readonly ExecutorReport[]> {
  return Promise.all(
    Object.entries(executors).map(async ([name, load]) => {
      try {
        const { description } = await load("float32");
        const isOnednn = name === "onednn";
        const advice = isOnednn ? (await import("./onednn/engine.node.ts")).advice() : [];
        return { name, available: true, description, advice };
      } catch (cause) {
        const { reason, fault } = new Absence(cause);
        const hint = cause instanceof SenetError ? cause.details.hint : undefined;
        const advice = [`${fault ?? reason}${hint === undefined ? "" : `; try: ${hint}`}`];
        return { name, available: false, description: reason, advice };
      }
    }),
  );
}

/** An error in one line, with its reason. */
function messageOf(cause: unknown): string {
  if (!(cause instanceof SenetError)) return causeText(cause).split("\n")[0]!;
  const { found } = cause.details;
  const reason = (typeof found === "string" ? found : found?.[0])?.split("\n")[0];
  const what = cause.message.split("\n")[0]!;
  return reason === undefined ? what : `${what} (${reason})`;
}

/**
 * Runs an ONNX file once in ONNX Runtime and returns its outputs.
 * @param where describes the file, for errors
 * @throws SenetError `executor` where ONNX Runtime does not load or the run fails
 */
export async function runOnnx(
  onnx: Uint8Array,
  inputs: ReadonlyMap<string, Tensor>,
  where: string,
): Promise<ReadonlyMap<string, TensorData>> {
  return (await import("./ort/library.node.ts")).runOnnx(onnx, inputs, where);
}
