/** Records and finds the float32 network from which a network in eight bits was made. */

import { existsSync, statSync } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { SenetError } from "../errors.ts";
import type { Checkpoint, StoredQuantization } from "../weights/checkpoint.ts";
import { digestOf } from "../weights/digest.node.ts";

type Source = NonNullable<StoredQuantization["source"]>;

/** @param file path, or name of released weights */
export const sourceOf = (checkpoint: Checkpoint, file: string): Source => ({
  file: existsSync(file) ? resolve(file) : file,
  digest: digestOf(checkpoint),
});

/** The checkpoint as written to `out`: its source's path is relative to that file's folder. */
export function movedTo(out: string, checkpoint: Checkpoint): Checkpoint {
  const { quantization } = checkpoint;
  const source = quantization?.source;
  if (source === undefined || !isAbsolute(source.file)) return checkpoint;
  const file = relative(dirname(resolve(out)), source.file)
    .split(sep)
    .join("/");
  return { ...checkpoint, quantization: { ...quantization!, source: { ...source, file } } };
}

/** The source of the network at `path`, if it still exists. */
export function sourceBeside(path: string, { file }: Source): string | undefined {
  const found = isAbsolute(file) ? file : join(dirname(path), file);
  return statSync(found, { throwIfNoEntry: false })?.isFile() === true ? found : undefined;
}

/** @throws SenetError `usage` where `checkpoint` is not the source */
export function checkSource(checkpoint: Checkpoint, source: Source | undefined, where: string): void {
  if (source !== undefined && digestOf(checkpoint) === source.digest) return;
  throw new SenetError("usage", "the network in eight bits was not made from these weights", {
    where,
    ...(source === undefined ? { found: "a file that does not say what it was made from" } : { expected: source.file }),
  });
}
