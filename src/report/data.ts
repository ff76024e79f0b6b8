/** What a report is made of: plain data, so that any run can fill it, live or from its files. */

/** A row of the run's history; a row of `metrics.csv` fits. Errors in percent. */
export interface ReportEpoch {
  /** Shown as it is: whether the first is 0 or 1 is the caller's choice. */
  readonly epoch: number;
  readonly learningRate: number;
  readonly trainLoss: number;
  readonly trainTop1Error: number;
  readonly validationLoss: number;
  readonly validationTop1Error: number;
  /** Of the moving average of the weights, in runs that keep one. */
  readonly averageLoss?: number | undefined;
  readonly averageTop1Error?: number | undefined;
  readonly seconds: number;
  readonly imagesPerSecond: number;
}

/** One classified picture. */
export interface ReportSample {
  /** Its name in the data folder, shown below it. */
  readonly file: string;
  /** A small JPEG of it, base64; `undefined` where it cannot be decoded any more. */
  readonly image: string | undefined;
  /** The same under the map of what speaks for the answer, of mistakes that are worth asking. */
  readonly map?: string | undefined;
  /** Index of the right class; `undefined` where nobody knows it. */
  readonly label: number | undefined;
  /** The most probable classes, best first; three are shown. */
  readonly top: readonly { readonly index: number; readonly probability: number }[];
}

export interface ReportSampleGroup {
  readonly title: string;
  readonly samples: readonly ReportSample[];
}

/** What one SE block's excitation answered, averaged over the pictures of each class. */
export interface ReportGate {
  /** `layer2.0.se` */
  readonly block: string;
  /** From 1; blocks of one stage stand in one row. */
  readonly stage: number;
  readonly channels: number;
  /** Row-major `[classes, channels]`; NaN in the row of a class without pictures. */
  readonly means: ArrayLike<number>;
}

export interface ReportData {
  /** `SE-ResNet-20 on drawn scenes` */
  readonly title: string;
  readonly model: string;
  readonly parameters: number;
  /** Of one picture at the size that was trained with. */
  readonly multiplyAdds: number;
  /** Percent, over all pictures to validate with, by the weights that are kept. */
  readonly top1Error: number;
  /** `null` below six classes. */
  readonly top5Error: number | null;
  /** `null` where the pictures are no longer there. */
  readonly trainImages: number | null;
  readonly validationImages: number | null;
  /** How many of those to validate with the confusion matrix counts. */
  readonly measuredImages: number;
  /** Of the whole training. */
  readonly seconds: number;
  readonly seed: number;
  readonly executor: string;
  /** What to type to get this run again, where it was typed. */
  readonly command?: string;
  /** Anything else worth a line of the summary: versions, threads, hardware. */
  readonly facts: readonly { readonly name: string; readonly value: string }[];
  /** What the reader should know of the report: a sentence each. */
  readonly remarks: readonly string[];
  readonly epochs: readonly ReportEpoch[];
  /** Names by label. They may hold any character. */
  readonly classes: readonly string[];
  /** `confusion[label · classes + predicted]` counts pictures. */
  readonly confusion: ArrayLike<number>;
  readonly samples: readonly ReportSampleGroup[];
  /** Empty for a network without SE blocks. */
  readonly gates: readonly ReportGate[];
  /** The run's configuration, as `config.json` has it. */
  readonly configuration: Readonly<Record<string, unknown>>;
}
