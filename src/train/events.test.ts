import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../tests/command.ts";
import { golden } from "../../tests/support.ts";
import { EventFile } from "./event-file.node.ts";
import { epochRecord, firstRecords } from "./events.ts";
import type { EpochMetrics } from "./state.ts";

const epoch = (number: number, validationTop5Error: number | null = null): EpochMetrics => ({
  epoch: number,
  learningRate: 0.1 / (number + 1),
  trainLoss: 2.25 - number,
  trainTop1Error: 80,
  validationLoss: 2.5,
  validationTop1Error: 82.5,
  validationTop5Error,
  seconds: 12.5,
  imagesPerSecond: 321.5,
  waitShare: 0.0625,
});

/** What TensorBoard's own reader makes of a file (golden/read_events.py). */
interface Read {
  readonly file: string;
  readonly events: readonly object[];
}

test("TensorBoard's own reader has read these very bytes as these events", () => {
  const { file, events } = JSON.parse(readFileSync(golden("events.json"), "utf8")) as Read;
  const bytes = Buffer.concat([
    ...firstRecords(1.75e9),
    epochRecord(epoch(0), 1.75e9 + 12.5),
    epochRecord(epoch(1, 31.25), 1.75e9 + 25),
  ]);
  assert.equal(bytes.toString("base64"), file);
  const float = Math.fround;
  const scalars = (top5: object) => ({
    learning_rate: float(0.1),
    "loss/train": 2.25,
    "top1_error/train": 80,
    "loss/validation": 2.5,
    "top1_error/validation": 82.5,
    ...top5,
    "time/seconds": 12.5,
    "time/images_per_second": 321.5,
    "time/wait_share": 0.0625,
  });
  assert.deepEqual(events, [
    { time: 1.75e9, step: 0, version: "brain.Event:2" },
    { time: 1.75e9, step: 0, session: "START" },
    { time: 1.75e9 + 12.5, step: 1, scalars: scalars({}) },
    {
      time: 1.75e9 + 25,
      step: 2,
      scalars: { ...scalars({ "top5_error/validation": 31.25 }), learning_rate: float(0.05), "loss/train": 1.25 },
    },
  ]);
});

test("the file grows epoch by epoch; one that goes on begins with the epochs that are saved, in place of the old", async () => {
  const out = temporaryFolder();
  const files = () => readdirSync(out).filter((name) => name.includes("tfevents"));
  writeFileSync(join(out, "events.out.tfevents.1.senet"), "of a process that was killed");
  writeFileSync(join(out, "events.out.tfevents.1.other"), "of another program");
  const fresh = await EventFile.create(out, []);
  assert.equal(existsSync(join(out, "events.out.tfevents.1.other")), true);
  const [name, ...others] = files().filter((file) => !file.endsWith("other"));
  assert.deepEqual(others, []);
  const length = () => readFileSync(join(out, name!)).length;
  const before = length();
  fresh.add(epoch(0));
  assert.equal(length() - before, epochRecord(epoch(0), 0).length);
  fresh.add(epoch(1));
  const whole = length();

  await EventFile.create(out, [epoch(0), epoch(1)]);
  const [again, ...more] = files().filter((file) => !file.endsWith("other"));
  assert.deepEqual(more, []);
  assert.equal(readFileSync(join(out, again!)).length, whole, "as if it had never stopped");
});
