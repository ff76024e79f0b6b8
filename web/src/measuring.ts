/** Measures a network on the user's pictures: the confusion matrix and the worst mistakes. */

import { type Network, overlaid, type Prediction } from "senet/web";
import type { ReportSampleGroup } from "#senet/report/data.ts";
import { chooseSamples } from "#senet/report/samples.ts";
import { thumbnailOf, thumbnailOfPixels } from "./canvas.ts";
import { unlessUndecodable } from "./decodable.ts";
import { type OwnPicture, type PictureClass, split } from "./pictures.ts";
import type { Current } from "./state.ts";

export interface Measured {
  /** The network's class names, by label. */
  readonly classes: readonly string[];
  readonly images: number;
  readonly wrong: number;
  /** `confusion[label · classes + predicted]` */
  readonly confusion: Uint32Array;
  readonly samples: readonly ReportSampleGroup[];
  /** Whether the network was not trained on these pictures; for networks from elsewhere this is unknown. */
  readonly isHeldBack: boolean;
  /** The classes at the time of the measurement. */
  readonly of: readonly PictureClass[];
}

/** Pictures that the network was not trained on, as far as this page can know. */
function unseenOf(group: PictureClass, { trained, run }: Current): readonly OwnPicture[] {
  if (trained !== undefined) return group.pictures.filter(({ id }) => !trained.learnt.has(id));
  return run?.heldBack === undefined ? group.pictures : split(group, run.heldBack).val;
}

/** Small enough that the progress is visible. */
const portion = 8;

/** @returns `undefined` if there are no pictures to measure it on */
export async function measure(
  current: Current,
  classes: readonly PictureClass[],
  onProgress: (done: number, total: number) => void,
): Promise<Measured | undefined> {
  const { network } = current;
  const { labels } = network;
  const asked = classes.flatMap((group) => {
    const label = labelOf(group.name, labels);
    return label === undefined ? [] : unseenOf(group, current).map((picture) => ({ picture, label }));
  });
  if (asked.length === 0) return undefined;
  const confusion = new Uint32Array(labels.length ** 2);
  const answered: { readonly picture: OwnPicture; readonly label: number; readonly top: readonly Prediction[] }[] = [];
  for (let i = 0; i < asked.length; i += portion) {
    onProgress(i, asked.length);
    const some = asked.slice(i, i + portion);
    const all = await answers(
      network,
      some.map(({ picture }) => picture),
    );
    some.forEach(({ picture, label }, k) => {
      const top = all[k];
      if (top === undefined) return;
      confusion[label * labels.length + top[0]!.index]!++;
      answered.push({ picture, label, top });
    });
  }
  if (answered.length === 0) return undefined;
  const right = labels.reduce((sum, _, label) => sum + confusion[label * labels.length + label]!, 0);
  return {
    classes: labels,
    images: answered.length,
    wrong: answered.length - right,
    confusion,
    samples: await samplesOf(network, answered),
    isHeldBack: current.trained !== undefined || current.run?.heldBack !== undefined,
    of: classes,
  };
}

/** Answers all pictures at once; if one cannot be decoded, each on its own. */
async function answers(
  network: Network,
  pictures: readonly OwnPicture[],
): Promise<readonly (readonly Prediction[] | undefined)[]> {
  const top = network.labels.length;
  const sources = pictures.map(({ name, file }) => ({ name, picture: file }));
  const all = await unlessUndecodable(() => network.classify(sources, { top }));
  if (all !== undefined) return all;
  const each: (readonly Prediction[] | undefined)[] = [];
  for (const source of sources) each.push(await unlessUndecodable(() => network.classify(source, { top })));
  return each;
}

async function samplesOf(
  network: Network,
  answered: readonly { readonly picture: OwnPicture; readonly label: number; readonly top: readonly Prediction[] }[],
): Promise<readonly ReportSampleGroup[]> {
  const groups: ReportSampleGroup[] = [];
  for (const { title, isExplained, chosen } of chooseSamples(answered)) {
    const samples: ReportSampleGroup["samples"][number][] = [];
    for (const { picture, label, top } of chosen) {
      const { name, file } = picture;
      const explained = isExplained ? await network.explain(file, { target: top[0]!.index }) : undefined;
      samples.push({
        file: name,
        label,
        top,
        image: await thumbnailOf(file),
        map: explained && (await thumbnailOfPixels(overlaid(explained.input, explained.heat))),
      });
    }
    groups.push({ title, samples });
  }
  return groups;
}

/** The label with this name; ImageNet's labels have their number before it (`n02102040 English springer`). */
export function labelOf(name: string, labels: readonly string[]): number | undefined {
  const plain = (text: string) => text.trim().toLowerCase().replaceAll("_", " ");
  const wanted = plain(name);
  const found = labels.findIndex((label) => {
    const own = plain(label);
    return own === wanted || own.replace(/^n\d{8} /, "") === wanted || /^n\d{8}(?= )/.exec(own)?.[0] === wanted;
  });
  return found < 0 ? undefined : found;
}
