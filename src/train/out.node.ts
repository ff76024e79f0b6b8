/**
 * The folder of a run: `best.safetensors`, `last.safetensors`, `metrics.csv`, `metrics.jsonl` and `config.json`. Its
 * files are always complete, and only one process at a time writes there.
 */

import { existsSync, mkdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { option, SenetError } from "../errors.ts";
import { codeOf, makeFolder, readBytes, writeError } from "../files/files.node.ts";
import { Lock } from "../files/lock.node.ts";
import { removeLeftovers, replaceFile } from "../files/replace.node.ts";
import { dusted, jsonText } from "../text-output.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { encodeCheckpoint } from "../weights/checkpoint-write.ts";
import type { NetworkFunction } from "../zoo/index.ts";
import { checkFinite, judgedWeights, type Resumable, type SavedRun, savedRunIn } from "./saved.ts";
import { byQuality, type EpochMetrics, type TrainingState } from "./state.ts";

export const bestFile = (out: string): string => join(out, "best.safetensors");
export const lastFile = (out: string): string => join(out, "last.safetensors");

/**
 * Locks the folder for this process, and removes temporary files that killed writers left.
 * @throws SenetError `usage` where another run is using it; `io`
 */
export async function claimFolder(out: string): Promise<Lock> {
  await makeFolder(out);
  const lock = new Lock(
    join(out, "run.lock"),
    "another run is using this folder",
    `another ${option("out")}, or wait for it`,
  );
  await removeLeftovers(out);
  return lock;
}

/**
 * Creates `runs/NAME`, or the first of `runs/NAME-2`, ... that does not exist; two runs that start at once get
 * different folders.
 * @throws SenetError `io`
 */
export async function newRunFolder(name: string): Promise<string> {
  await makeFolder("runs");
  for (let n = 1; ; n++) {
    const folder = join("runs", n === 1 ? name : `${name}-${n}`);
    try {
      mkdirSync(folder);
      return folder;
    } catch (cause) {
      if (codeOf(cause) !== "EEXIST") throw writeError("the folder cannot be made", folder, cause);
    }
  }
}

/**
 * Reads a run's last state. @param build the function of the user's own network, if it is one
 * @throws SenetError `usage` where there is no run in `out`, `weights` as `savedRunIn`
 */
export async function readRun(out: string, build?: NetworkFunction): Promise<Resumable> {
  const path = lastFile(out);
  if (!existsSync(path)) {
    throw new SenetError("usage", "there is nothing to resume", {
      where: path,
      hint: `start the run without ${option("resume")}`,
    });
  }
  return savedRunIn(await readBytes(path), path, build);
}

/** The configuration and progress of the run in `out`. @throws SenetError `usage` or `weights` where there is none */
export async function openRun(out: string, build?: NetworkFunction): Promise<Pick<SavedRun, "config" | "state">> {
  const { config, state } = (await readRun(out, build)).run;
  return { config, state };
}

/** File of an epoch's weights (counted from 0), if several are kept. */
const epochFile = (out: string, epoch: number): string => join(out, `epoch-${epoch + 1}.safetensors`);

/**
 * Saves a run. If the process is killed meanwhile, the run resumes from this or the previous save.
 * @throws SenetError `training` where weights are not finite (nothing is written then); `io`
 */
export async function saveRun(
  out: string,
  checkpoint: Omit<Checkpoint, "run">,
  run: SavedRun,
  isBest: boolean,
  keepBest = 1,
): Promise<void> {
  checkFinite(checkpoint, run);
  // `best` comes first: if the run is killed in between, resuming from the older `last` writes the same `best` again.
  const now = judgedWeights(checkpoint, run);
  if (isBest) await replaceFile(bestFile(out), encodeCheckpoint(now));
  if (keepBest > 1 && run.state.step === 0) await keepEpochs(out, now, run.state, keepBest);
  await replaceFile(lastFile(out), encodeCheckpoint({ ...checkpoint, run }));
  await writeMetrics(out, run.state.history);
}

/** Writes the weights of the last epoch if it is among the best, and deletes those that no longer are. */
async function keepEpochs(
  out: string,
  checkpoint: Omit<Checkpoint, "run">,
  { history }: TrainingState,
  count: number,
): Promise<void> {
  const best = [...history].sort(byQuality).slice(0, count);
  const last = history.at(-1);
  if (last !== undefined && best.includes(last)) {
    await replaceFile(epochFile(out, last.epoch), encodeCheckpoint(checkpoint));
  }
  const kept = new Set(best.map(({ epoch }) => epoch));
  for (const { epoch } of history) if (!kept.has(epoch)) await rm(epochFile(out, epoch), { force: true });
}

const cell = (value: number | null): string => (value === null ? "" : `${dusted(value)}`);

/** Writes both metrics files completely, which also repairs what a killed run left unfinished. */
export async function writeMetrics(out: string, history: readonly EpochMetrics[]): Promise<void> {
  const first = history[0];
  if (first === undefined) return;
  const columns = Object.keys(first) as (keyof EpochMetrics)[];
  const csv = [
    columns.join(","),
    ...history.map((row) => columns.map((column) => cell(row[column] ?? null)).join(",")),
  ];
  await replaceFile(join(out, "metrics.csv"), [`${csv.join("\n")}\n`]);
  await replaceFile(
    join(out, "metrics.jsonl"),
    history.map((row) => `${jsonText(row)}\n`),
  );
}
