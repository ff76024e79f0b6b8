import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { before, test } from "node:test";
import { temporaryFolder } from "../../tests/command.ts";
import { SenetError } from "../errors.ts";
import { encodeJpeg, encodePng } from "../images/decode.node.ts";
import { type Picture, resize } from "../images/resize.ts";
import { createRandom } from "../random.ts";
import { checkData } from "./health.node.ts";
import type { CheckedPicture, DataHealth } from "./health.ts";

/** Blobs of colour, other ones for each seed. */
function blobs(seed: number, width = 96, height = 72): Picture {
  const random = createRandom(seed);
  const rough = Uint8Array.from({ length: 3 * 7 * 6 }, () => random.below(256));
  return resize({ width: 7, height: 6, data: rough }, width, height, "bicubic");
}

const flat = (colour: readonly number[], width: number, height: number): Picture => ({
  ...{ width, height },
  data: Uint8Array.from({ length: 3 * width * height }, (_, i) => colour[i % 3]!),
});

const ppm = ({ width, height, data }: Picture): Uint8Array =>
  Buffer.concat([Buffer.from(`P6\n${width} ${height}\n255\n`), data]);

function put(root: string, files: Readonly<Record<string, Uint8Array | string>>): string {
  for (const [name, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), bytes);
  }
  return root;
}

const sound = (first: number) => ppm(blobs(first));
const named = (root: string) => (picture: CheckedPicture) =>
  `${picture.part} ${picture.class} ${relative(root, picture.sample.file)}`;

const root = temporaryFolder();
let health: DataHealth;
before(async () => {
  const jpeg = Buffer.from(await encodeJpeg(blobs(4)));
  put(root, {
    "train/ant/1.ppm": sound(1),
    "train/ant/2.ppm": sound(2),
    "train/ant/2-again.png": await encodePng(blobs(2)),
    "train/ant/3.ppm": sound(3),
    "train/bee/3.png": await encodePng(blobs(3)),
    "train/bee/4.jpg": jpeg,
    "train/bee/cut.jpg": jpeg.subarray(0, jpeg.length / 2),
    "train/bee/text.jpg": "no picture",
    "val/ant/1.ppm": sound(1),
    "val/ant/5.ppm": sound(5),
    // Compressed more, and half as large.
    "val/bee/4.jpg": await encodeJpeg(resize(blobs(4), 48, 36, "bicubic")),
    "val/bee/6.ppm": sound(6),
  });
  health = await checkData(root, { workers: 1 });
});

test("what is wrong with a data set is found, and nothing else", () => {
  const { bad, copies, similar, faults, finished } = health;
  const name = named(root);
  assert.deepEqual(
    bad.map((one) => [name(one), one.reason.slice(0, 29)]),
    [
      ["train bee train/bee/cut.jpg", "the JPEG picture is truncated"],
      ["train bee train/bee/text.jpg", "this is not a picture of a su"],
    ],
  );
  assert.deepEqual(
    copies.map((group) => group.map(name)),
    [
      ["train ant train/ant/1.ppm", "val ant val/ant/1.ppm"],
      ["train ant train/ant/2-again.png", "train ant train/ant/2.ppm"],
      ["train ant train/ant/3.ppm", "train bee train/bee/3.png"],
    ],
  );
  assert.deepEqual(
    similar.map(({ train, val }) => [name(val), name(train)]),
    [["val bee val/bee/4.jpg", "train bee train/bee/4.jpg"]],
  );
  assert.ok(similar[0]!.likeness > 0.98 && similar[0]!.likeness < 1, `${similar[0]!.likeness}`);
  assert.deepEqual(faults, [
    "2 pictures cannot be decoded",
    "1 picture to validate with also in train",
    "1 picture to validate with nearly the same as one in train",
    "1 picture in more than one class",
  ]);
  assert.equal(finished, true);
});

test("classes are counted, with those that are bad", () => {
  assert.deepEqual(
    health.parts.map(({ part, pictures, bad, classes }) => ({ part, pictures, bad, classes })),
    [
      {
        ...{ part: "train", pictures: 8, bad: 2 },
        classes: [
          { name: "ant", pictures: 4, bad: 0 },
          { name: "bee", pictures: 4, bad: 2 },
        ],
      },
      {
        ...{ part: "val", pictures: 4, bad: 0 },
        classes: [
          { name: "ant", pictures: 2, bad: 0 },
          { name: "bee", pictures: 2, bad: 0 },
        ],
      },
    ],
  );
});

test("sizes and colours of a part, each picture counted alike", async () => {
  const data = put(temporaryFolder(), {
    "a/1.ppm": ppm(flat([255, 51, 0], 40, 10)),
    "a/2.ppm": ppm(flat([0, 51, 0], 20, 20)),
    "b/1.ppm": ppm(flat([0, 153, 255], 10, 40)),
    "b/2.ppm": ppm(flat([255, 153, 255], 300, 100)),
  });
  const { parts, faults } = await checkData(data, { workers: 1 });
  assert.deepEqual(faults, []);
  const [part] = parts;
  assert.equal(part!.part, "all");
  assert.deepEqual(part!.width, { min: 10, median: 30, max: 300 });
  assert.deepEqual(part!.height, { min: 10, median: 30, max: 100 });
  assert.deepEqual(part!.aspect, { min: 0.25, median: 2, max: 4 });
  for (const [found, expected] of [
    [part!.mean, [0.5, 0.4, 0.5]],
    [part!.deviation, [0.5, 0.2, 0.5]],
  ] as const) {
    for (const [i, value] of expected.entries()) assert.ok(Math.abs(found[i]! - value) < 1e-6, `${found}`);
  }
});

test("a part that is kept back is checked against the rest", async () => {
  const data = temporaryFolder();
  for (const name of ["a", "b"]) {
    for (let i = 0; i < 8; i++)
      put(data, { [`${name}/${i}.ppm`]: sound(name.length * 100 + i + (name === "a" ? 0 : 50)) });
  }
  for (let i = 0; i < 8; i++) copyFileSync(join(data, "a", `${i}.ppm`), join(data, "a", `copy-${i}.ppm`));
  const { parts, copies, faults } = await checkData(data, { valSplit: 0.4, workers: 1 });
  assert.deepEqual(
    parts.map(({ part }) => part),
    ["train", "val"],
  );
  assert.equal(copies.length, 8);
  const across = copies.filter((group) => new Set(group.map(({ part }) => part)).size > 1).length;
  assert.ok(across > 0 && faults.length === 1 && faults[0]!.startsWith(`${across} picture`), faults.join());
});

test("it can be stopped, and says so; a distance beyond what is searched is refused", async () => {
  const stopped = await checkData(root, { workers: 1, signal: AbortSignal.abort() });
  assert.deepEqual([stopped.finished, stopped.parts.length], [false, 1]);
  for (const distance of [-1, 32, 1.5]) {
    await assert.rejects(
      checkData(root, { distance }),
      (error) => error instanceof SenetError && error.code === "usage",
    );
  }
  await assert.rejects(checkData(join(root, "nowhere")), /nothing at this path/);
});

test("progress is told to the end, in the pictures of all parts", async () => {
  const told: (readonly [number, number])[] = [];
  const bad: string[] = [];
  await checkData(root, {
    workers: 1,
    onProgress: (done, total) => told.push([done, total]),
    onFailure: ({ file }) => bad.push(relative(root, file)),
  });
  assert.deepEqual(told.at(-1), [12, 12]);
  assert.deepEqual(bad.sort(), ["train/bee/cut.jpg", "train/bee/text.jpg"]);
  assert.ok(readFileSync(join(root, "train/bee/text.jpg"), "utf8").length > 0);
});
