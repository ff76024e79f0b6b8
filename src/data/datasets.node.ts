/** The formats of data sets on disk. Adding one takes a file and a row here. */

import { annotatedPictures } from "./annotations.node.ts";
import { cifar } from "./cifar.node.ts";
import type { Dataset, DatasetKind, OpenOptions } from "./dataset.ts";
import { pictureFolder } from "./folder.node.ts";
import { tarArchives } from "./shards.node.ts";

/** In order: the first one that recognises a path is used. */
export const datasets: readonly DatasetKind[] = [cifar, tarArchives, annotatedPictures, pictureFolder];

export const kindOf = (path: string): DatasetKind => datasets.find(({ detect }) => detect(path)) ?? pictureFolder;

/** Opens the data set at a path, whatever its format. @throws SenetError `data` */
export const openDataset = (path: string, options: OpenOptions = {}): Dataset => kindOf(path).open(path, options);
