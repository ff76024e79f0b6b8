/**
 * What files under others' names carry of ours: labels and pre-processing. Other programs pass over it: safetensors has
 * a place for any strings, and of a caffemodel nobody reads the network's name, behind which it stands as JSON where
 * the naming alone would say something else.
 */

import type { Preprocessing } from "../images/preprocess.ts";
import { labelsSchema, preprocessingSchema, readMetadata } from "./checkpoint.ts";

export interface Carried {
  readonly labels?: readonly string[];
  readonly preprocessing?: Preprocessing;
}

const labelsKey = "senet.labels";
const preprocessingKey = "senet.preprocessing";

/** @throws SenetError `weights` where there is something under our keys that is not ours */
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

/** Of a network's name in a caffemodel. */
export function carriedInName(name: string, where: string): Carried {
  const start = name.indexOf(" {");
  if (start === -1) return {};
  let content: unknown;
  try {
    content = JSON.parse(name.slice(start + 1));
  } catch {
    // Somebody else's name, then.
    return {};
  }
  const strings = Object.entries(content as Record<string, unknown>).filter(([, value]) => typeof value === "string");
  return readCarried(new Map(strings as [string, string][]), where);
}
