/**
 * TensorBoard's event files. A file is a sequence of records, each framed by its length and checksums (TFRecord,
 * tensorflow/core/lib/io/record_writer.h); a record is an `Event` of tensorboard/compat/proto/event.proto, whose field
 * numbers are used here.
 */

import { crc32c, maskedCrc } from "../crc32c.ts";
import { ProtoWriter } from "../protobuf-writer.ts";
import type { EpochMetrics } from "./state.ts";

/** TensorBoard's tag for each column of `metrics.csv`; the part before the slash groups charts. */
const tags: Readonly<Record<Exclude<keyof EpochMetrics, "epoch">, string>> = {
  learningRate: "learning_rate",
  trainLoss: "loss/train",
  trainTop1Error: "top1_error/train",
  validationLoss: "loss/validation",
  validationTop1Error: "top1_error/validation",
  validationTop5Error: "top5_error/validation",
  averageLoss: "loss/average",
  averageTop1Error: "top1_error/average",
  averageTop5Error: "top5_error/average",
  seconds: "time/seconds",
  imagesPerSecond: "time/images_per_second",
  waitShare: "time/wait_share",
};

/**
 * The first records of a file. They make TensorBoard forget what it has read from earlier files, since a resumed run
 * writes all epochs again.
 * @param time seconds since 1970
 */
export function firstRecords(time: number): readonly Uint8Array[] {
  const version = event(time, 0, (w) => w.text(3, "brain.Event:2"));
  // SessionLog.START
  const start = event(time, 0, (w) => w.message(7, (session) => session.int(1, 1)));
  return [record(version), record(start)];
}

/** The record of an epoch. Its TensorBoard step is the epoch, counted from 1. */
export function epochRecord(metrics: EpochMetrics, time: number): Uint8Array {
  return record(
    event(time, metrics.epoch + 1, (w) =>
      w.message(5, (summary) => {
        for (const [column, tag] of Object.entries(tags)) {
          const value = metrics[column as keyof typeof tags];
          if (value === null || value === undefined) continue;
          summary.message(1, (one) => one.text(1, tag).float(2, value));
        }
      }),
    ),
  );
}

function event(time: number, step: number, what: (w: ProtoWriter) => void): Uint8Array {
  const w = new ProtoWriter().double(1, time).int(2, step);
  what(w);
  return w.finish();
}

/** A TFRecord: length, its checksum, the bytes, their checksum; little-endian. */
function record(bytes: Uint8Array): Uint8Array {
  const framed = new Uint8Array(8 + 4 + bytes.length + 4);
  const view = new DataView(framed.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint32(8, maskedCrc(crc32c(framed.subarray(0, 8))), true);
  framed.set(bytes, 12);
  view.setUint32(12 + bytes.length, maskedCrc(crc32c(bytes)), true);
  return framed;
}
