/** What a data set is to the loader: pictures, wherever their bytes are, their labels, and the names of the classes. */

/** Where the bytes of a picture are. */
export type Source =
  /** They are a file. */
  | { readonly kind: "file"; readonly file: string }
  /** A picture file that lies within another file, as in an archive. */
  | { readonly kind: "range"; readonly file: string; readonly start: number; readonly length: number }
  /** Pixels as they are, one plane of bytes after the other: red, green, blue, each row by row. */
  | {
      readonly kind: "pixels";
      readonly file: string;
      readonly start: number;
      readonly width: number;
      readonly height: number;
    };

export interface Sample {
  /**
   * The path of the picture. Of one that lies within another file: the path of that, then its name in it
   * (`shards/a.tar/cat/1.jpg`, `data_batch_1.bin/17`). It tells the picture from all others, and begins with `root`.
   */
  readonly file: string;
  /** The index of its class in `classes`. */
  readonly label: number;
  /** Absent: `file` is a file. */
  readonly source?: Source;
}

export const sourceOf = ({ file, source }: Sample): Source => source ?? { kind: "file", file };

export interface Dataset {
  /** The folder, or the file, that holds all of it. */
  readonly root: string;
  /** The class names; a label is an index into them. */
  readonly classes: readonly string[];
  readonly samples: readonly Sample[];
  /** Whether the data itself numbers its classes, rather than that they are sorted by their names. */
  readonly isNumbered?: boolean;
  /** What a person should know of what was found: a line each, such as files that are left out. */
  readonly remarks?: readonly string[];
}

/** What a sample of a data set is called within it, the same on every machine. */
export type NameIn = (dataset: Dataset, file: string) => string;

/** A picture that could not be used. */
export interface Failure {
  readonly file: string;
  readonly reason: string;
}

/** A picture whose class is told by a number, as in a list. */
export interface Numbered {
  readonly name: string;
  readonly number: number;
}

/** What numbers stand for: class names by number, or what finds them for these pictures. */
export type Numbering = readonly string[] | ((entries: readonly Numbered[]) => readonly string[]);

export type Part = "train" | "val";

export interface OpenOptions {
  /**
   * The classes of a network, whose labels the samples get; there need not be pictures of all of them. A class of the
   * data is found by its name or its WordNet id: `n02119789` is the class `n02119789 kit fox`, at whatever index it
   * stands. Absent: the classes of the data.
   */
  readonly classes?: readonly string[];
  /** What numbers in the data stand for, where it has no names for them. Default: `classes`. */
  readonly numbered?: Numbering;
  /**
   * Which part is wanted of data that has several. `undivided`: what there is to train on, or all of data without parts.
   * Absent: what there is to measure with, or all.
   */
  readonly part?: Part | "undivided";
}

/** A way in which data sets lie on disk. */
export interface DatasetKind {
  readonly name: string;
  /** Whether what lies at the path is of this kind; it says so by names and first bytes. */
  readonly detect: (path: string) => boolean;
  /** @throws SenetError `data` */
  readonly open: (path: string, options: OpenOptions) => Dataset;
  /** Whether one path can hold both parts; a folder of pictures holds one. */
  readonly hasParts: boolean;
}

/** Every n-th picture, so that at most so many are left: data lies class by class, and each class keeps its share. */
export function spread(dataset: Dataset, most: number): Dataset {
  const { length } = dataset.samples;
  if (length <= most) return dataset;
  const samples = Array.from({ length: most }, (_, i) => dataset.samples[Math.floor((i * length) / most)]!);
  return { ...dataset, samples };
}
