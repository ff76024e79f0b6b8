/** What a data set is to the loader: files, labels, and the names of the classes. */

export interface Sample {
  /** The path of the picture. */
  readonly file: string;
  /** The index of its class in `classes`. */
  readonly label: number;
}

export interface PictureFolder {
  readonly root: string;
  /** The class names; a label is an index into them. */
  readonly classes: readonly string[];
  /** Class by class, each by name. */
  readonly samples: readonly Sample[];
  /** What a person should know of what was found: a line each, such as files that are left out. */
  readonly remarks?: readonly string[];
}
