/** Checks the health of a data set. */

import { SenetError } from "../errors.ts";
import { greysOf, likenessOf } from "../images/likeness.ts";
import { equalGroups, type Looks, mostDistance, mostSimilar } from "./copies.ts";
import { type Dataset, sourceOf } from "./dataset.ts";
import type { BadPicture, CheckedPicture, DataHealth, PartHealth, SimilarPictures, Spread } from "./health.ts";
import { type Inspection, type InspectOptions, inspect } from "./inspect.node.ts";
import { localData } from "./remote.node.ts";
import { SourceReader } from "./source.node.ts";
import { openParts, type PartOptions } from "./split.node.ts";

export interface CheckDataOptions extends PartOptions, Omit<InspectOptions, "onProgress"> {
  /**
   * Two pictures whose 256-bit perceptual hashes differ in at most this many bits (0 to 31) are compared more closely.
   * Default: 31.
   */
  readonly distance?: number | undefined;
  /** Called with the number of pictures checked so far and in all. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Least correlation of copies; different pictures of Imagenette are below it, and nearly all copies above
 * (docs/log.md).
 */
const leastLikeness = 0.95;

/**
 * Decodes every picture once, on the loader's threads. Keeps 50 bytes per picture, whatever its size.
 * @param data a path for `openTrainingData`, or a data set without parts
 * @throws SenetError `data` where there is no data set; `usage` where an option is out of range
 */
export async function checkData(data: string, options: CheckDataOptions = {}): Promise<DataHealth> {
  const { distance = mostDistance, workers, signal, onFailure, onProgress = () => {} } = options;
  if (!Number.isInteger(distance) || distance < 0 || distance > mostDistance) {
    throw new SenetError("usage", "similar pictures cannot be told by this distance", {
      expected: `0 to ${mostDistance} bits`,
      found: `${distance}`,
    });
  }
  const { parts, remarks } = openParts(await localData(data, { signal }), options);
  const total = parts.reduce((sum, { dataset }) => sum + dataset.samples.length, 0);
  const inspected: Part[] = [];
  let before = 0;
  for (const { part, dataset } of parts) {
    const told = (done: number) => onProgress(before + done, total);
    inspected.push({ part, ...(await inspect(dataset, { workers, signal, onFailure, onProgress: told })) });
    before += dataset.samples.length;
    if (signal?.aborted === true) break;
  }
  const bad = inspected.flatMap(badOf);
  const copies = copiesIn(inspected);
  const similar = await similarIn(inspected, copies, distance, signal);
  const finished = inspected.length === parts.length && inspected.every((part) => part.finished);
  const health = { data, parts: inspected.map(healthOf), bad, copies, similar, remarks, finished };
  return { ...health, faults: [...faultsOf(health)] };
}

interface Part extends Inspection {
  readonly part: string;
}

const pictureOf = ({ part, dataset }: Part, place: number): CheckedPicture => {
  const sample = dataset.samples[place]!;
  return { part, class: dataset.classes[sample.label]!, sample };
};

function badOf(part: Part): BadPicture[] {
  const places = part.failures.length === 0 ? undefined : placesByFile(part.dataset);
  return part.failures.map(({ file, reason }) => ({ ...pictureOf(part, places!.get(file)!), reason }));
}

const placesByFile = ({ samples }: Dataset): ReadonlyMap<string, number> =>
  new Map(samples.map(({ file }, place) => [file, place]));

function copiesIn(parts: readonly Part[]): CheckedPicture[][] {
  const starts = parts.map((_, i) => parts.slice(0, i).reduce((sum, { marks }) => sum + marks.length, 0));
  const marks = new Float64Array(parts.reduce((sum, part) => sum + part.marks.length, 0));
  for (const [i, part] of parts.entries()) marks.set(part.marks, starts[i]);
  return equalGroups(marks).map((group) =>
    group.map((place) => {
      const i = starts.findLastIndex((start) => start <= place);
      return pictureOf(parts[i]!, place - starts[i]!);
    }),
  );
}

/**
 * Pairs of pictures with similar hashes whose pixels are similar too; skies and snow often have similar hashes only.
 */
async function similarIn(
  parts: readonly Part[],
  copies: DataHealth["copies"],
  most: number,
  signal: AbortSignal | undefined,
): Promise<SimilarPictures[]> {
  const train = parts.find(({ part }) => part === "train");
  const val = parts.find(({ part }) => part === "val");
  if (train === undefined || val === undefined) return [];
  const told = new Set(copies.filter(isAcross).flatMap((group) => group.map(({ sample }) => sample)));
  const reader = new SourceReader();
  const similar: SimilarPictures[] = [];
  try {
    for (const { place, other } of mostSimilar(looksOf(val), looksOf(train), most)) {
      if (signal?.aborted === true) break;
      const pair = { val: pictureOf(val, place), train: pictureOf(train, other) };
      if (told.has(pair.val.sample)) continue;
      const [near, far] = [await greysIn(reader, pair.val), await greysIn(reader, pair.train)];
      const likeness = likenessOf(near, far);
      if (likeness >= leastLikeness) similar.push({ ...pair, likeness });
    }
  } finally {
    reader.close();
  }
  return similar.sort((a, b) => b.likeness - a.likeness);
}

/** The grey values of a picture, which is known to be decodable. */
const greysIn = async (reader: SourceReader, { sample }: CheckedPicture): Promise<Float64Array> =>
  greysOf(await (await reader.open(sourceOf(sample))).decode());

const looksOf = ({ looks, marks }: Part): Looks => ({
  bits: looks,
  places: Uint32Array.from(marks.keys()).filter((place) => !Number.isNaN(marks[place]!)),
});

/** Whether a group of equal pictures spans both parts. */
const isAcross = (group: readonly CheckedPicture[]): boolean => new Set(group.map(({ part }) => part)).size > 1;
const isContradictory = (group: readonly CheckedPicture[]): boolean =>
  new Set(group.map((picture) => picture.class)).size > 1;

function healthOf(inspected: Part): PartHealth {
  const { part, dataset, failures, widths, heights, means, squares, decoded } = inspected;
  const classes = dataset.classes.map((name) => ({ name, pictures: 0, bad: 0 }));
  for (const { label } of dataset.samples) classes[label]!.pictures++;
  for (const { class: name } of failures.length === 0 ? [] : badOf(inspected)) {
    classes[dataset.classes.indexOf(name)]!.bad++;
  }
  const mean = means.map((sum) => sum / decoded);
  return {
    part,
    root: dataset.root,
    pictures: dataset.samples.length,
    bad: failures.length,
    classes,
    mean,
    deviation: squares.map((sum, channel) => Math.sqrt(Math.max(0, sum / decoded - mean[channel]! ** 2))),
    width: spreadOf(widths.filter((width) => width > 0)),
    height: spreadOf(heights.filter((height) => height > 0)),
    aspect: spreadOf(
      Float64Array.from(widths, (width, place) => width / heights[place]!).filter((aspect) => !Number.isNaN(aspect)),
    ),
  };
}

/** Minimum, median and maximum; sorts the values in place. */
function spreadOf(values: Uint32Array | Float64Array): Spread {
  const sorted = values.sort();
  const at = (place: number): number => sorted[place] ?? Number.NaN;
  const half = (sorted.length - 1) / 2;
  return { min: at(0), median: (at(Math.floor(half)) + at(Math.ceil(half))) / 2, max: at(sorted.length - 1) };
}

function* faultsOf({ parts, bad, copies, similar }: Omit<DataHealth, "faults">): Generator<string> {
  const counted = (count: number, one: string, many: string) => (count === 1 ? `1 ${one}` : `${count} ${many}`);
  if (bad.length > 0) yield `${counted(bad.length, "picture", "pictures")} cannot be decoded`;
  for (const { part, classes } of parts) {
    const empty = classes.filter((found) => found.pictures > 0 && found.pictures === found.bad).length;
    if (empty > 0) yield `${counted(empty, "class", "classes")} of ${part} without a picture that can be decoded`;
  }
  const across = copies
    .filter(isAcross)
    .flat()
    .filter(({ part }) => part === "val").length;
  if (across > 0) yield `${counted(across, "picture", "pictures")} to validate with also in train`;
  if (similar.length > 0) {
    yield `${counted(similar.length, "picture", "pictures")} to validate with nearly the same as one in train`;
  }
  const contradictory = copies.filter(isContradictory).length;
  if (contradictory > 0) yield `${counted(contradictory, "picture", "pictures")} in more than one class`;
}
