/** What was measured of this machine's oneDNN, kept in the cache: a file for each question. */

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../../files/cache.node.ts";
import { makeFoldersSync } from "../../files/files.node.ts";
import * as z from "../../schema.ts";
import { planLayouts } from "./spec.ts";

const foundSchema = z.object({
  processor: z.string(),
  graph: z.string(),
  purpose: z.enum(["training", "inference"]),
  /** What the dearest convolutions compute in: f32, bf16 or int8. */
  type: z.string(),
  threads: z.number(),
  /** The place of the one that is taken. */
  chosen: z.int().check(z.gte(0)),
  /** Milliseconds that the convolutions that were measured take a thread. */
  ways: z.array(z.object({ library: z.string(), layout: z.enum(planLayouts), milliseconds: z.number() })),
});

/** The answer to a question. */
export type Found = z.output<typeof foundSchema>;

const prefix = "onednn-measured-";

const fileOf = (key: string): string =>
  join(cacheFolder(), `${prefix}${createHash("sha256").update(key).digest("hex").slice(0, 32)}.json`);

/** None where nothing is remembered, or what is remembered is no good. */
export const recall = (key: string): Found | undefined => read(fileOf(key));

export function remember(key: string, found: Found): void {
  const file = fileOf(key);
  try {
    makeFoldersSync(cacheFolder());
    writeFileSync(`${file}.${process.pid}`, JSON.stringify(found), { flag: "wx" });
    renameSync(`${file}.${process.pid}`, file);
  } catch {
    // Then it is measured again the next time.
  }
}

/** All that is remembered. */
export const allFound = (): readonly Found[] => files().flatMap((file) => read(file) ?? []);

/** Forgets it. @returns how many there were */
export function forget(): number {
  const all = files();
  for (const file of all) rmSync(file, { force: true });
  return all.length;
}

function files(): string[] {
  try {
    const names = readdirSync(cacheFolder()).filter((name) => name.startsWith(prefix) && name.endsWith(".json"));
    return names.sort().map((name) => join(cacheFolder(), name));
  } catch {
    return [];
  }
}

function read(file: string): Found | undefined {
  try {
    return foundSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return undefined;
  }
}

const layoutNames = { blocks: "in blocks", channelsLast: "channels last" } as const;

/** In a line: what was chosen, and what else there was. */
export function tell({ graph, purpose, type, threads, chosen, ways }: Found): string {
  const told = ways.map(
    ({ library, layout, milliseconds }) =>
      `oneDNN ${library} ${layoutNames[layout]}, ${Number(milliseconds.toPrecision(3))} ms`,
  );
  const others = told.filter((_, way) => way !== chosen);
  return `${graph}, ${purpose} in ${type}, ${threads} threads: ${[told[chosen], ...others].join("; ")}`;
}
