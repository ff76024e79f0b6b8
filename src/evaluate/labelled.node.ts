/** Opens the pictures to evaluate a network on, and matches folders and list numbers to its classes. */

import type { Dataset, Numbered, Numbering, OpenOptions, Part } from "../data/dataset.ts";
import { kindOf, openDataset } from "../data/datasets.node.ts";
import { pictureFolder } from "../data/folder.node.ts";
import { type HeldBack, holdOut } from "../data/hold-out.ts";
import { openList } from "../data/list.node.ts";
import { nameIn } from "../data/sample-name.node.ts";
import { undividedIn } from "../data/split.node.ts";
import { list as listFolder } from "../data/walk.node.ts";
import { option, SenetError } from "../errors.ts";
import { type ClassOrder, classOrderOf, imagenetLabels } from "../import/imagenet-classes.ts";
import { orderOfNumbers } from "../import/imagenet-validation.ts";

export interface Pictures {
  readonly data: string;
  readonly list: string | undefined;
  readonly listOrder: ClassOrder | undefined;
  readonly allowMissing: boolean;
  /** Use only pictures that training keeps back (`holdOut`). */
  readonly held: HeldBack | undefined;
  /** Part of the data to use. Default: the validation part. */
  readonly part?: Part | undefined;
  /** Whether the network's labels are real names. */
  readonly areNamed: boolean;
}

/** The pictures to evaluate on. */
export interface LabelledPictures extends Dataset {
  /** Number of listed pictures that are missing. */
  readonly missing: number;
}

/**
 * @param labels the network's labels
 * @throws SenetError as `openDataset` and `openList`; `usage` where neither the weights nor the pictures tell which
 * class is which
 */
export function openPictures(pictures: Pictures, labels: readonly string[]): LabelledPictures {
  const { list, listOrder, allowMissing, areNamed, held } = pictures;
  const { path: data, remarks: told } =
    held === undefined || list !== undefined ? { path: pictures.data, remarks: [] } : undividedIn(pictures.data);
  const part = held === undefined ? partOf(pictures) : ({ part: "undivided" } as const);
  const hasNames = areNamed || labels.some((label, i) => label !== `${i}`);
  const where = list ?? data;
  const remarks: string[] = [...told];
  const numbered = (entries: readonly Numbered[]) => {
    if (classOrderOf(labels) !== undefined) return imagenetNumbers(where, entries, listOrder, remarks);
    // ImageNet's pictures, for a network whose order of ImageNet's classes is unknown.
    if (!hasNames && labels.length === 1000 && orderOfNumbers(entries) !== undefined) refuseUnnamed(where);
    return labels;
  };
  const found =
    list !== undefined
      ? openList(list, { root: data, classes: labels, numbered, allowMissing })
      : {
          ...(hasNames
            ? openDataset(data, { classes: labels, numbered, ...part })
            : openUnnamed(data, labels, numbered, part)),
          missing: 0,
        };
  const { samples } = held === undefined ? found : holdOut(found, held, nameIn).val;
  return { ...found, samples, remarks: [...(found.remarks ?? []), ...remarks] };
}

const partOf = ({ part }: Pictures): Pick<OpenOptions, "part"> => (part === undefined ? {} : { part });

function refuseUnnamed(list: string): never {
  throw new SenetError("usage", "the order of the network's 1,000 classes is not known", {
    where: list,
    expected: "the names of its classes, in its order",
    found: "a list of ImageNet's pictures, and classes that have numbers for names",
    hint: `${option("labels")} FILE, one name or WordNet id per line, in the order of training`,
  });
}

/**
 * Weights without class names were usually trained on folders in the order of their names as text, like torchvision's
 * ImageFolder: 0, 1, 10, 11, 2, ...; or on classes that the data numbers itself.
 */
function openUnnamed(
  data: string,
  labels: readonly string[],
  numbered: Numbering,
  part: Pick<OpenOptions, "part">,
): Dataset {
  // For a folder, its pictures need not be listed.
  const own = kindOf(data) === pictureFolder ? undefined : openDataset(data, part);
  const names = own?.classes ?? listFolder(data).folders;
  if (names.length === labels.length && !isCounted(own)) {
    const found = own ?? openDataset(data, part);
    const order = found.classes.slice(0, 3).join(", ");
    const remark = found.isNumbered
      ? `the weights do not name their classes: they are assumed to be those of the data, in its order (${order}, ...); ${option("labels")} overrules`
      : "the weights do not name their classes: they are taken to be the folders, in the order of their names as " +
        `text, as torchvision numbers them (${order}, ...); ${option("labels")} overrules`;
    return { ...found, remarks: [remark, ...(found.remarks ?? [])] };
  }
  // Up to ten, numbers have the same order as their names.
  const areSame = own?.isNumbered === true || (labels.length <= 10 && names.every((name) => labels.includes(name)));
  if (areSame || names.length === 0) return openDataset(data, { classes: labels, numbered, ...part });
  throw new SenetError("usage", "neither the weights nor the folders tell which class is which", {
    where: data,
    expected: `names in the weights, or a folder for each of their ${labels.length} classes`,
    found: `${names.length} folders`,
    hint: `${option("labels")} FILE, with the names of the folders in the order of training, one per line`,
  });
}

/** Whether the classes are only numbers, given in the data. */
const isCounted = (own: Dataset | undefined): boolean =>
  own?.isNumbered === true && own.classes.every((name, i) => name === `${i}`);

/** ImageNet's class names by the numbers of a list. */
function imagenetNumbers(
  list: string,
  entries: readonly Numbered[],
  order: ClassOrder | undefined,
  remarks: string[],
): readonly string[] {
  const told = orderOfNumbers(entries);
  if (order !== undefined) {
    if (typeof told === "object" && (told.order !== order || told.fromOne)) {
      remarks.push(
        `${list}: the names of the pictures point to ${shownOrder(told)}, not to ${option("listOrder")} ${order}`,
      );
    }
    return imagenetLabels(order);
  }
  if (typeof told === "object") {
    remarks.push(`${list}: numbers in ${shownOrder(told)}, as the names of the pictures tell`);
    return told.fromOne ? ["", ...imagenetLabels(told.order)] : imagenetLabels(told.order);
  }
  throw new SenetError("usage", "it is not known in which order the numbers count ImageNet's classes", {
    where: list,
    expected: `${option("listOrder")} devkit (the challenge's own order) or ${option("listOrder")} sorted (by WordNet id, as PyTorch and Caffe's own list)`,
    found:
      told === "neither"
        ? "numbers that are the classes of these pictures in neither order"
        : "names of pictures that do not show it",
  });
}

const shownOrder = ({ order, fromOne }: { readonly order: ClassOrder; readonly fromOne: boolean }): string =>
  `${order} order${fromOne ? ", from 1" : ""}`;
