/** The ways in which data sets lie on disk. Adding one is a file and a row here. */

import { annotatedPictures } from "./annotations.node.ts";
import { cifar } from "./cifar.node.ts";
import type { Dataset, DatasetKind, OpenOptions } from "./dataset.ts";
import { pictureFolder } from "./folder.node.ts";
import { tarArchives } from "./shards.node.ts";

/** The first that detects the path is what it is. */
export const datasets: readonly DatasetKind[] = [cifar, tarArchives, annotatedPictures, pictureFolder];

export const kindOf = (path: string): DatasetKind => datasets.find(({ detect }) => detect(path)) ?? pictureFolder;

/** The pictures at a path, of whatever kind it is. @throws SenetError `data` */
export const openDataset = (path: string, options: OpenOptions = {}): Dataset => kindOf(path).open(path, options);
