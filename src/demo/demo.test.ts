import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import sharp from "sharp";
import { SenetError } from "../errors.ts";
import { createRandom } from "../random.ts";
import { classNames, drawScene } from "./draw.ts";
import { writeDemoPictures } from "./write.node.ts";

test("at least ten classes, named as a folder's listing sorts them", () => {
  assert.ok(classNames.length >= 10);
  assert.deepEqual(classNames, [...classNames].sort());
});

test("a scene is a function of its keys, and needs no font", () => {
  for (const name of classNames) {
    const scene = drawScene(name, createRandom(5, 1), 64);
    assert.equal(scene, drawScene(name, createRandom(5, 1), 64));
    assert.notEqual(scene, drawScene(name, createRandom(5, 2), 64));
    assert.doesNotMatch(scene, /<text|NaN|undefined|Infinity/);
  }
  assert.throws(
    () => drawScene("unicorn", createRandom(0), 64),
    /no drawing for the class unicorn; there are butterfly/,
  );
});

test("pictures are written as JPEG files, a folder per class, the same for the same seed", async (t) => {
  const parent = await mkdtemp(join(tmpdir(), "senet-demo-"));
  t.after(() => rm(parent, { recursive: true }));
  const options = { trainPerClass: 2, valPerClass: 1, heldBackPerClass: 1, size: 40 };
  const first = await writeDemoPictures(join(parent, "a"), { ...options, seed: 1 });
  await writeDemoPictures(join(parent, "b"), { ...options, seed: 1 });
  await writeDemoPictures(join(parent, "c"), { ...options, seed: 2 });

  assert.equal(first.trainImages, 2 * classNames.length);
  assert.equal(first.valImages, classNames.length);
  assert.deepEqual(await readdir(join(first.folder, "train")), [...classNames]);
  assert.deepEqual(await readdir(join(first.folder, "train", "cat")), ["001.jpg", "002.jpg"]);
  assert.deepEqual(
    first.heldBack,
    classNames.map((name) => join(first.folder, "held-back", `${name}-1.jpg`)),
  );

  const files = [...classNames.map((name) => join("val", name, "001.jpg")), join("train", "cat", "002.jpg")];
  for (const file of files) {
    const picture = await readFile(join(parent, "a", file));
    const { format, width, height, channels } = await sharp(picture).metadata();
    assert.deepEqual({ format, width, height, channels }, { format: "jpeg", width: 40, height: 40, channels: 3 });
    assert.deepEqual(picture, await readFile(join(parent, "b", file)));
    assert.notDeepEqual(picture, await readFile(join(parent, "c", file)));
  }
  const train = await readFile(join(parent, "a", "train", "cat", "001.jpg"));
  assert.notDeepEqual(train, await readFile(join(parent, "a", "val", "cat", "001.jpg")));
});

test("a folder of ours is drawn anew; one with anything else in it is left alone", async (t) => {
  const parent = await mkdtemp(join(tmpdir(), "senet-demo-"));
  t.after(() => rm(parent, { recursive: true }));
  const ours = join(parent, "ours");
  const options = { trainPerClass: 2, valPerClass: 0, heldBackPerClass: 0, size: 16 };
  await writeDemoPictures(ours, options);
  await writeDemoPictures(ours, { ...options, trainPerClass: 1 });
  assert.deepEqual(await readdir(join(ours, "train", "star")), ["001.jpg"]);

  // What somebody has laid in the place of one of our files is not written through.
  await writeFile(join(parent, "holiday.jpg"), "precious");
  await rm(join(ours, "drawn-by-senet-demo.txt"));
  await symlink(join(parent, "holiday.jpg"), join(ours, "drawn-by-senet-demo.txt"));
  await writeDemoPictures(ours, options);

  await assert.rejects(writeDemoPictures(parent, options), (error) => {
    assert.ok(error instanceof SenetError && error.code === "data");
    assert.match(error.message, /is not empty[\s\S]*found: +holiday.jpg, ours/);
    return true;
  });
  assert.equal(await readFile(join(parent, "holiday.jpg"), "utf8"), "precious");
  assert.ok(!(await readdir(parent)).includes("train"));
});
