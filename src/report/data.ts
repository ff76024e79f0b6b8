/** The data of a report: plain data, so that any run can provide it, live or from its files. */

/** A row of the run's history, compatible with `metrics.csv`. Errors in percent. */
export interface ReportEpoch {
  /** Shown unchanged; the caller decides whether counting starts at 0 or 1. */
  readonly epoch: number;
  readonly learningRate: number;
  readonly trainLoss: number;
  readonly trainTop1Error: number;
  readonly validationLoss: number;
  readonly validationTop1Error: number;
  /** For the moving average of the weights, if the run keeps one. */
  readonly averageLoss?: number | undefined;
  readonly averageTop1Error?: number | undefined;
  readonly seconds: number;
  readonly imagesPerSecond: number;
}

/** One classified picture. */
export interface ReportSample {
  /** Name in the data folder, shown below the picture. */
  readonly file: string;
  /** A small JPEG in base64; `undefined` if the picture can no longer be decoded. */
  readonly image: string | undefined;
  /** The same with the heat map of the answer over it, for mistakes worth explaining. */
  readonly map?: string | undefined;
  /** Index of the right class; `undefined` if unknown. */
  readonly label: number | undefined;
  /** The most probable classes, best first; three are shown. */
  readonly top: readonly { readonly index: number; readonly probability: number }[];
}

export interface ReportSampleGroup {
  readonly title: string;
  readonly samples: readonly ReportSample[];
}

/** An SE block's gates, averaged over each class's pictures. */
export interface ReportGate {
  /** `layer2.0.se` */
  readonly block: string;
  /** From 1; the blocks of a stage are shown in one row. */
  readonly stage: number;
  readonly channels: number;
  /** Row-major `[classes, channels]`; NaN for classes without pictures. */
  readonly means: ArrayLike<number>;
}

export interface ReportData {
  /** `SE-ResNet-20 on drawn scenes` */
  readonly title: string;
  readonly model: string;
  readonly parameters: number;
  /** For one picture at the training size. */
  readonly multiplyAdds: number;
  /** Percent, over all validation pictures, for the best weights. */
  readonly top1Error: number;
  /** `null` below six classes. */
  readonly top5Error: number | null;
  /** `null` if the pictures no longer exist. */
  readonly trainImages: number | null;
  readonly validationImages: number | null;
  /** Number of validation pictures in the confusion matrix. */
  readonly measuredImages: number;
  /** Duration of the whole training. */
  readonly seconds: number;
  readonly seed: number;
  readonly executor: string;
  /** Command line that repeats this run, if there was one. */
  readonly command?: string;
  /** Other lines of the summary: versions, threads, hardware. */
  readonly facts: readonly { readonly name: string; readonly value: string }[];
  /** Remarks about the report, one sentence each. */
  readonly remarks: readonly string[];
  /** What the losses are, and what only that of training contains. */
  readonly loss: { readonly name: string; readonly besides: readonly string[] };
  readonly epochs: readonly ReportEpoch[];
  /** Class names by label; may contain any characters. */
  readonly classes: readonly string[];
  /** `confusion[label · classes + predicted]` counts pictures. */
  readonly confusion: ArrayLike<number>;
  readonly samples: readonly ReportSampleGroup[];
  /** Empty for a network without SE blocks. */
  readonly gates: readonly ReportGate[];
  /** The run's configuration, as in `config.json`. */
  readonly configuration: Readonly<Record<string, unknown>>;
}
