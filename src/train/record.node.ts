/** `run.json` in a run's folder: what a report needs besides the configuration. */

import { existsSync } from "node:fs";
import { cpus } from "node:os";
import { join, resolve } from "node:path";
import { readBytes } from "../files/files.node.ts";
import { replaceFile } from "../files/replace.node.ts";
import * as z from "../schema.ts";

const runRecordSchema = z.object({
  /** The command line that started the run, if there was one. */
  command: z.optional(z.string()),
  /** Absolute paths of its pictures and of the lists that name them. */
  data: z.string(),
  list: z.optional(z.string()),
  valList: z.optional(z.string()),
  allowMissing: z.optional(z.boolean()),
  /** The engine it ran on. */
  executor: z.string(),
  processor: z.string(),
  node: z.string(),
  /** What became of the weights that it started from, one line each. */
  notes: z.optional(z.array(z.string())),
});
export type RunRecord = z.output<typeof runRecordSchema>;

const recordFile = (out: string): string => join(out, "run.json");

type Told = Pick<RunRecord, "data" | "executor"> & {
  readonly [K in "command" | "list" | "valList" | "allowMissing" | "notes"]?: RunRecord[K];
};

/** @throws SenetError `io` */
export async function writeRecord(out: string, { data, list, valList, ...told }: Told): Promise<void> {
  const record: RunRecord = {
    ...told,
    data: resolve(data),
    ...(list !== undefined && { list: resolve(list) }),
    ...(valList !== undefined && { valList: resolve(valList) }),
    processor: `${cpus()[0]?.model.trim() ?? "unknown"}, ${cpus().length} threads`,
    node: process.version,
  };
  await replaceFile(recordFile(out), [`${JSON.stringify(record, null, 2)}\n`]);
}

/**
 * Reads the record; `undefined` if the run is from before records existed, or the file is not a record. @throws
 * SenetError `io`
 */
export async function readRecord(out: string): Promise<RunRecord | undefined> {
  if (!existsSync(recordFile(out))) return undefined;
  try {
    return runRecordSchema.parse(JSON.parse(new TextDecoder().decode(await readBytes(recordFile(out)))));
  } catch (cause) {
    if (z.isFault(cause) || cause instanceof SyntaxError) return undefined;
    throw cause;
  }
}
