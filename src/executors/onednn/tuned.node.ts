/** Measurements of this machine's oneDNN, kept in the cache folder, one file per question. */

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../../files/cache.node.ts";
import { makeFoldersSync, writeError } from "../../files/files.node.ts";
import * as z from "../../schema.ts";
import { planLayouts } from "./spec.ts";

/** Incremented when convolutions are planned differently, which invalidates earlier measurements. */
export const plans = 4;

const foundSchema = z
  .object({
    plans: z.literal(plans),
    processor: z.string(),
    graph: z.string(),
    /** The shape of its input. */
    input: z.array(z.int()),
    purpose: z.enum(["training", "inference"]),
    /** Type in which the most expensive convolutions compute: f32, bf16 or int8. */
    type: z.string(),
    threads: z.number(),
    /** Index of the chosen way. */
    chosen: z.int().check(z.gte(0)),
    /** Milliseconds per thread for the convolutions, and for the reorders, if they were counted. */
    ways: z.array(
      z.object({
        library: z.string(),
        layout: z.enum(planLayouts),
        milliseconds: z.number(),
        reorders: z.exactOptional(z.object({ count: z.int(), bytes: z.number(), milliseconds: z.number() })),
      }),
    ),
  })
  .check(z.refine(({ chosen, ways }) => chosen < ways.length, "one of the ways", ["chosen"]));

/** The answer to a question. */
export type Found = z.output<typeof foundSchema>;

const prefix = "onednn-measured-";

const fileOf = (key: string): string =>
  join(cacheFolder(), `${prefix}${createHash("sha256").update(key).digest("hex").slice(0, 32)}.json`);

/** The stored answer; undefined if there is none or it is invalid. */
export const recall = (key: string): Found | undefined => read(fileOf(key));

export function remember(key: string, found: Found): void {
  const file = fileOf(key);
  try {
    makeFoldersSync(cacheFolder());
    writeFileSync(`${file}.${process.pid}`, JSON.stringify(found), { flag: "wx" });
    renameSync(`${file}.${process.pid}`, file);
  } catch {
    // Then it is measured again next time.
  }
}

/** All that is remembered and can still be used. */
export const allFound = (): readonly Found[] => files().flatMap((file) => read(file) ?? []);

/**
 * Forgets it, and what is no good or of another version.
 * @returns how many files that were
 * @throws SenetError `io`
 */
export function forget(): number {
  const all = files();
  for (const file of all) {
    try {
      rmSync(file, { force: true });
    } catch (cause) {
      throw writeError("what was measured cannot be forgotten", file, cause, "another SENET_CACHE");
    }
  }
  return all.length;
}

function files(): string[] {
  try {
    const names = readdirSync(cacheFolder()).filter((name) => name.startsWith(prefix));
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

const wayName = ({ library, layout }: Found["ways"][number]): string => `oneDNN ${library} ${layoutNames[layout]}`;

/** One line about the choice and its alternatives. */
export function tell({ graph, input, purpose, type, threads, chosen, ways }: Found): string {
  const told = ways.map((way) => `${wayName(way)}, ${short(way.milliseconds)} ms${reordersText(way)}`);
  const others = told.filter((_, way) => way !== chosen);
  return `${graph}, ${input.join("x")}, ${purpose} in ${type}, ${threads} ${threads === 1 ? "thread" : "threads"}: ${[told[chosen], ...others].join("; ")}`;
}

function reordersText({ reorders }: Found["ways"][number]): string {
  if (reorders === undefined) return "";
  const { count, bytes, milliseconds } = reorders;
  if (count === 0) return " and no reorders";
  return ` and ${count} ${count === 1 ? "reorder" : "reorders"} of ${short(bytes / 1e6)} MB in ${short(milliseconds)} ms`;
}

const short = (value: number): number => Number(value.toPrecision(3));

/** A network's measurements together. */
export interface Summary {
  readonly graph: string;
  /** How often it was measured: for each batch, size, purpose, type and number of threads. */
  readonly count: number;
  /** What was chosen, and how often: the usual first. */
  readonly chosen: readonly (readonly [way: string, count: number])[];
}

/** Those that were measured most first. */
export function summariesOf(all: readonly Found[]): readonly Summary[] {
  const counts = new Map<string, Map<string, number>>();
  for (const { graph, chosen, ways } of all) {
    const way = wayName(ways[chosen]!);
    const ofGraph = counts.get(graph) ?? new Map<string, number>();
    counts.set(graph, ofGraph.set(way, (ofGraph.get(way) ?? 0) + 1));
  }
  const summaries = [...counts].map(([graph, ofGraph]) => ({
    graph,
    count: [...ofGraph.values()].reduce((sum, count) => sum + count, 0),
    chosen: [...ofGraph].sort(([, a], [, b]) => b - a),
  }));
  return summaries.sort((a, b) => b.count - a.count);
}
