/** Which executor runs, and why. Engines are loaded only once they are chosen. */

import { SenetError } from "../errors.ts";
import { nearestNames } from "../names.ts";
import type { Executor } from "./executor.ts";

export interface Selection {
  readonly executor: Executor;
  /** For the line that says which executor runs: "the default", ... */
  readonly reason: string;
}

const executors: Readonly<Record<string, () => Promise<Executor>>> = {
  ort: async () => (await import("./ort/executor.node.ts")).ortExecutor,
  reference: async () => (await import("./reference/reference.ts")).referenceExecutor,
};

export const executorNames: readonly string[] = Object.keys(executors);

/**
 * The executor of that name; without one, the fastest that loads on this machine.
 * @throws SenetError `usage` with the nearest names where there is no such executor, `executor` where it does not load.
 */
export async function selectExecutor(name?: string): Promise<Selection> {
  if (name === undefined) return selectDefault();
  const load = Object.hasOwn(executors, name) ? executors[name] : undefined;
  if (load === undefined) {
    throw new SenetError("usage", `there is no executor "${name}"`, {
      expected: executorNames.join(", "),
      hint: nearestNames(name, executorNames, 1).join(", "),
    });
  }
  try {
    return { executor: await load(), reason: "asked for" };
  } catch (cause) {
    throw new SenetError("executor", `the executor "${name}" does not load here`, {
      found: messageOf(cause),
      hint: "the reference executor runs everywhere, slowly",
      cause,
    });
  }
}

async function selectDefault(): Promise<Selection> {
  try {
    return { executor: await executors.ort!(), reason: "the default: ONNX Runtime loads on this machine" };
  } catch (cause) {
    const reason = `the fallback, and slow: ONNX Runtime does not load here (${messageOf(cause)})`;
    return { executor: await executors.reference!(), reason };
  }
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
        return { name, available: true, description: (await load()).description };
      } catch (cause) {
        return { name, available: false, description: messageOf(cause) };
      }
    }),
  );
}

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message.split("\n")[0]! : String(cause));
