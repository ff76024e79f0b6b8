/** The loader's view of a data set: pictures (wherever their bytes are), their labels, and the class names. */

/** Where the bytes of a picture are. */
export type Source =
  /** A file. */
  | { readonly kind: "file"; readonly file: string }
  /** A picture file within another file, such as an archive. */
  | { readonly kind: "range"; readonly file: string; readonly start: number; readonly length: number }
  /** Uncompressed pixels: a red, a green and a blue plane of bytes, each row by row. */
  | {
      readonly kind: "pixels";
      readonly file: string;
      readonly start: number;
      readonly width: number;
      readonly height: number;
    };

export interface Sample {
  /**
   * The picture's path. For one within another file: that file's path, then its name inside (`shards/a.tar/cat/1.jpg`,
   * `data_batch_1.bin/17`). It is unique and begins with `root`.
   */
  readonly file: string;
  /** The index of its class in `classes`. */
  readonly label: number;
  /** Default: the file `file`. */
  readonly source?: Source;
}

export const sourceOf = ({ file, source }: Sample): Source => source ?? { kind: "file", file };

export interface Dataset {
  /** The folder or file that contains the whole data set. */
  readonly root: string;
  /** The class names; a label is an index into them. */
  readonly classes: readonly string[];
  readonly samples: readonly Sample[];
  /** Whether the data numbers its classes itself; otherwise they are sorted by name. */
  readonly isNumbered?: boolean;
  /** Remarks for the user, one line each, such as files that are left out. */
  readonly remarks?: readonly string[];
}

/** Gives a sample's name relative to its data set, the same on every machine. */
export type NameIn = (dataset: Dataset, file: string) => string;

/** A picture that could not be used. */
export interface Failure {
  readonly file: string;
  readonly reason: string;
}

/** A picture whose class is given by number, as in a list. */
export interface Numbered {
  readonly name: string;
  readonly number: number;
}

/** The classes that numbers stand for: names by number, or a function that finds them for these pictures. */
export type Numbering = readonly string[] | ((entries: readonly Numbered[]) => readonly string[]);

export type Part = "train" | "val";

export interface OpenOptions {
  /**
   * The network's classes, into which the samples' labels index; not all need to have pictures. A class of the data is
   * found by its name or its WordNet id: `n02119789` is the class `n02119789 kit fox`, whatever its index. Default: the
   * data's own classes.
   */
  readonly classes?: readonly string[];
  /** The classes that numbers in the data stand for, if it has no names for them. Default: `classes`. */
  readonly numbered?: Numbering;
  /**
   * The part to open, if the data has several. `undivided`: the training part, or everything if there are no parts.
   * Default: the validation part, or everything.
   */
  readonly part?: Part | "undivided";
}

/** A format of data sets on disk. */
export interface DatasetKind {
  readonly name: string;
  /** Whether the data at the path has this format, judging by names and first bytes. */
  readonly detect: (path: string) => boolean;
  /** @throws SenetError `data` */
  readonly open: (path: string, options: OpenOptions) => Dataset;
  /** Whether one path can hold both parts; a folder of pictures holds only one. */
  readonly hasParts: boolean;
}

/** At most `most` pictures at equal distances. Since data is sorted by class, each class keeps its share. */
export function spread(dataset: Dataset, most: number): Dataset {
  const { length } = dataset.samples;
  if (length <= most) return dataset;
  const samples = Array.from({ length: most }, (_, i) => dataset.samples[Math.floor((i * length) / most)]!);
  return { ...dataset, samples };
}
