/** `senet train` leaves a report and TensorBoard's events; `senet report` writes the report again. */

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { senetHere, temporaryFolder } from "./command.ts";
import { writeDrawnPictures } from "./drawn.ts";

interface Json {
  readonly report: string;
  readonly command: string;
  readonly classes: readonly string[];
  readonly epochs: readonly object[];
  readonly confusion: readonly (readonly number[])[];
  readonly samples: readonly { readonly title: string; readonly samples: readonly object[] }[];
  readonly gates: readonly { readonly channels: number; readonly means: readonly (readonly number[])[] }[];
}

test("a run ends with its report, and says where; report makes it again, also for programs", async () => {
  const folder = temporaryFolder();
  writeDrawnPictures(join(folder, "pictures"));
  const run = join(folder, "runs", "first");
  const page = join(run, "report.html");
  const command = ["train", "--data", "pictures", "--out", "runs/first", "--model", "se-resnet-8", "--batch-size", "6"];
  const trained = await senetHere([...command, "--epochs", "1", "--workers", "1", "--executor", "ort"], {
    cwd: folder,
  });
  assert.equal(trained.code, 0, trained.stderr);
  assert.match(trained.stderr, /^report: runs\/first\/report\.html$/m);
  const text = readFileSync(page, "utf8");
  assert.match(text, /senet train --data pictures --out runs\/first --model se-resnet-8/);
  assert.match(text, /Worst mistakes[\s\S]*data:image\/jpeg;base64,/);

  rmSync(page);
  // Where the pictures are, the run knows.
  const resume = ["train", "--resume", "--out", "runs/first", "--epochs", "2"];
  const resumed = await senetHere([...resume, "--workers", "1", "--executor", "ort", "--no-report"], { cwd: folder });
  assert.equal(resumed.code, 0, resumed.stderr);
  assert.equal(existsSync(page), false);
  const [events, ...others] = readdirSync(run).filter((name) => name.includes("tfevents"));
  assert.deepEqual(others, []);
  assert.equal(readFileSync(join(run, events!), "latin1").split("loss/train").length - 1, 2, "both epochs");

  const out = join(folder, "page.html");
  const { code, stdout, stderr } = await senetHere(["report", run, "--json", "--out", out]);
  assert.equal(code, 0, stderr);
  assert.ok(existsSync(out) && !existsSync(page));
  const found = JSON.parse(stdout) as Json;
  assert.equal(found.report, out);
  assert.match(found.command, /^senet train --data pictures .* --epochs 1 /, "what the run was begun with");
  assert.deepEqual(found.classes, ["blue", "green", "red"]);
  assert.equal(found.epochs.length, 2);
  assert.deepEqual(
    found.confusion.map((row) => row.reduce((a, b) => a + b)),
    [2, 2, 2],
  );
  assert.ok(found.gates.length > 0 && found.gates.every(({ channels, means }) => means[2]!.length === channels));
  assert.equal(found.samples.flatMap(({ samples }) => samples).length, 6);
  assert.doesNotMatch(stdout, /base64|"image"/);
});

test("what is no run, or no page, is refused in words", async () => {
  const folder = temporaryFolder();
  const [none, picture] = await Promise.all([
    senetHere(["report", join(folder, "none")]),
    senetHere(["report", folder, "--out", join(folder, "page.png")]),
  ]);
  assert.equal(none.code, 2, none.stderr);
  assert.match(none.stderr, /there is no run here/);
  assert.equal(picture.code, 2);
  assert.match(picture.stderr, /page\.html/);
});
