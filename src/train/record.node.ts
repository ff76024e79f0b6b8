/** What a run's report wants to know besides its configuration: `run.json` in the run's folder. */

import { existsSync } from "node:fs";
import { cpus } from "node:os";
import { join, resolve } from "node:path";
import { readBytes } from "../files/files.node.ts";
import { replaceFile } from "../files/replace.node.ts";
import * as z from "../schema.ts";

const runRecordSchema = z.object({
  /** What was typed to start it, where it was typed. */
  command: z.optional(z.string()),
  /** Where its pictures are on this machine, and the lists that name them; whole paths. */
  data: z.string(),
  list: z.optional(z.string()),
  valList: z.optional(z.string()),
  allowMissing: z.optional(z.boolean()),
  /** What it ran on. */
  executor: z.string(),
  processor: z.string(),
  node: z.string(),
});
export type RunRecord = z.output<typeof runRecordSchema>;

const recordFile = (out: string): string => join(out, "run.json");

type Told = Pick<RunRecord, "data" | "executor"> & {
  readonly [K in "command" | "list" | "valList" | "allowMissing"]?: RunRecord[K];
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

/** `undefined` of a run from before there was one, or where somebody has written something else there. @throws SenetError `io` */
export async function readRecord(out: string): Promise<RunRecord | undefined> {
  if (!existsSync(recordFile(out))) return undefined;
  try {
    return runRecordSchema.parse(JSON.parse(new TextDecoder().decode(await readBytes(recordFile(out)))));
  } catch (cause) {
    if (z.isFault(cause) || cause instanceof SyntaxError) return undefined;
    throw cause;
  }
}
