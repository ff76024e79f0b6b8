/**
 * Our labels and pre-processing in files with other programs' names, which those programs ignore. safetensors has a
 * place for arbitrary strings; in a caffemodel they are JSON appended to the network's name, which nobody reads, and
 * only if the naming's conventions differ.
 */

import type { Preprocessing } from "../images/preprocess.ts";
import { labelsSchema, preprocessingSchema, readMetadata } from "./checkpoint.ts";

export interface Carried {
  readonly labels?: readonly string[];
  readonly preprocessing?: Preprocessing;
}

const labelsKey = "senet.labels";
const preprocessingKey = "senet.preprocessing";

/** Reads them. @throws SenetError `weights` where the values under our keys are not ours */
export function readCarried(metadata: ReadonlyMap<string, string>, where: string): Carried {
  return {
    ...(metadata.has(labelsKey) && { labels: readMetadata(metadata, labelsKey, labelsSchema, where) }),
    ...(metadata.has(preprocessingKey) && {
      preprocessing: readMetadata(metadata, preprocessingKey, preprocessingSchema, where),
    }),
  };
}

export const carriedMetadata = ({ labels, preprocessing }: Required<Carried>): Map<string, string> =>
  new Map([
    [labelsKey, JSON.stringify(labels)],
    [preprocessingKey, JSON.stringify(preprocessing)],
  ]);

export const nameWithCarried = (name: string, carried: Required<Carried>): string =>
  `${name} ${JSON.stringify(Object.fromEntries(carriedMetadata(carried)))}`;

/** Reads them from a network's name in a caffemodel. */
export function carriedInName(name: string, where: string): Carried {
  const start = name.indexOf(" {");
  if (start === -1) return {};
  let content: unknown;
  try {
    content = JSON.parse(name.slice(start + 1));
  } catch {
    // Not ours, but somebody else's name.
    return {};
  }
  const strings = Object.entries(content as Record<string, unknown>).filter(([, value]) => typeof value === "string");
  return readCarried(new Map(strings as [string, string][]), where);
}
