/** Which executor runs, and why. Engines are loaded only once they are chosen. */

import { SenetError } from "../errors.ts";
import type { Graph } from "../ir/graph.ts";
import { nearestNames } from "../names.ts";
import type { Executor } from "./executor.ts";

export interface Selection {
  readonly executor: Executor;
  /** For the line that says which executor runs: "the default", ... */
  readonly reason: string;
}

/** `bf16`: activations and the weights that meet them; weights themselves, statistics and loss stay in float32. */
export type Precision = "float32" | "bf16";

export const precisions: readonly Precision[] = ["float32", "bf16"];

export interface SelectOptions {
  /** By name; default: the fastest that loads on this machine. */
  readonly name?: string | undefined;
  /** What is fastest depends on it; default: inference. */
  readonly purpose?: "training" | "inference";
  readonly precision?: Precision | undefined;
  /** Told, in a line, when the chosen executor cannot serve a graph and another one does. */
  readonly say?: (line: string) => void;
}

const executors: Readonly<Record<string, (precision: Precision) => Promise<Executor>>> = {
  onednn: async (precision) => (await import("./onednn/executor.node.ts")).createOnednnExecutor({ precision }),
  ort: async () => (await import("./ort/executor.node.ts")).ortExecutor,
  reference: async () => (await import("./reference/reference.ts")).referenceExecutor,
};

export const executorNames: readonly string[] = Object.keys(executors);

/**
 * The executor of that name; without one, the fastest that loads on this machine. Without a name a graph that oneDNN
 * cannot serve runs on ONNX Runtime, as a whole.
 * @throws SenetError `usage` with the nearest names where there is no such executor, `executor` where it does not load or
 * has not the precision.
 */
export async function selectExecutor(options: SelectOptions = {}): Promise<Selection> {
  const { name, precision = "float32" } = options;
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
      where: `--precision ${precision}`,
      hint: "--executor onednn",
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

async function selectDefault({ purpose, say }: SelectOptions): Promise<Selection> {
  let ort: Executor;
  try {
    ort = await executors.ort!("float32");
  } catch (cause) {
    const reason = `the fallback, and slow: ONNX Runtime does not load here (${messageOf(cause)})`;
    return { executor: await executors.reference!("float32"), reason };
  }
  const ortSelection = { executor: ort, reason: "the default: ONNX Runtime loads on this machine" };
  if (purpose !== "training") return ortSelection;
  try {
    const onednn = await executors.onednn!("float32");
    return { executor: withFallback(onednn, ort, say), reason: "the fastest to train with: oneDNN is on this machine" };
  } catch {
    return ortSelection;
  }
}

/** Graphs that the first executor cannot serve run on the second one, as a whole. */
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
  /** What it is, or why it does not load here. */
  readonly description: string;
}

/** Every executor, and whether it loads on this machine; for `senet doctor`. */
export async function describeExecutors(): Promise<readonly ExecutorReport[]> {
  return Promise.all(
    Object.entries(executors).map(async ([name, load]) => {
      try {
        return { name, available: true, description: (await load("float32")).description };
      } catch (cause) {
        return { name, available: false, description: messageOf(cause) };
      }
    }),
  );
}

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message.split("\n")[0]! : String(cause));
