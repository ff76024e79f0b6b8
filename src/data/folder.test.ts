import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { SenetError } from "../errors.ts";
import { openFolder, openTrainingFolders } from "./folder.node.ts";

/** A temporary folder with these files (their content does not matter here); a name that ends in `/` is a folder. */
function folderOf(t: TestContext, ...paths: string[]): string {
  const root = mkdtempSync(join(tmpdir(), "senet-folder-"));
  t.after(() => rmSync(root, { recursive: true }));
  for (const path of paths) {
    const full = join(root, path);
    mkdirSync(path.endsWith("/") ? full : dirname(full), { recursive: true });
    if (!path.endsWith("/")) writeFileSync(full, "");
  }
  return root;
}

function refuses(action: () => unknown, ...patterns: RegExp[]): void {
  assert.throws(action, (error) => {
    assert.ok(error instanceof SenetError && error.code === "data", String(error));
    for (const pattern of patterns) assert.match(error.message, pattern);
    return true;
  });
}

test("classes and pictures are sorted by name; other files and names with a leading dot are passed over", (t) => {
  const root = folderOf(
    t,
    "cat/b.JPG",
    "cat/a.jpeg",
    "cat/C.png",
    "cat/notes.txt",
    "cat/.hidden.jpg",
    "Dog/10.webp",
    "Dog/9.webp",
    ".ipynb_checkpoints/x.jpg",
    "readme.md",
  );
  const { classes, samples } = openFolder(root);
  assert.deepEqual(classes, ["Dog", "cat"]);
  assert.deepEqual(
    samples.map(({ file, label }) => [file.slice(root.length + 1), label]),
    [
      ["Dog/10.webp", 0],
      ["Dog/9.webp", 0],
      ["cat/C.png", 1],
      ["cat/a.jpeg", 1],
      ["cat/b.JPG", 1],
    ],
  );
});

test("names are sorted by code point, as Python does", (t) => {
  // By UTF-16 units the second would come first.
  const root = folderOf(t, "\u{fb01}/x.jpg", "\u{1f600}/x.jpg");
  assert.deepEqual(openFolder(root).classes, ["\u{fb01}", "\u{1f600}"]);
});

test("pictures may lie deeper, in torchvision's order, and behind links; a link in a circle ends", (t) => {
  const root = folderOf(t, "a/z.jpg", "a/sub/y.jpg", "a/sub/deep/x.jpg", "a/sub-2/w.jpg", "b/v.jpg", "elsewhere/");
  symlinkSync(join(root, "a", "sub"), join(root, "b", "linked"));
  rmSync(join(root, "elsewhere"), { recursive: true });
  const names = openFolder(root).samples.map(({ file }) => file.slice(root.length + 1));
  assert.deepEqual(names, [
    "a/z.jpg",
    "a/sub/y.jpg",
    "a/sub-2/w.jpg",
    "a/sub/deep/x.jpg",
    "b/v.jpg",
    "b/linked/y.jpg",
    "b/linked/deep/x.jpg",
  ]);
  symlinkSync(root, join(root, "b", "round"));
  assert.ok(openFolder(root).samples.length >= 7);
});

test("labels follow the classes given; not all of them need a folder", (t) => {
  const root = folderOf(t, "cat/a.jpg");
  const { classes, samples } = openFolder(root, { classes: ["ant", "bee", "cat"] });
  assert.deepEqual(classes, ["ant", "bee", "cat"]);
  assert.deepEqual(
    samples.map(({ label }) => label),
    [2],
  );
});

test("a folder of ImageNet is named by its WordNet id, wherever the network has the class", (t) => {
  const root = folderOf(t, "n02119789/a.jpg", "n01440764 tench/b.jpg", "cat/c.jpg");
  const labelled = (...classes: string[]) =>
    openFolder(root, { classes }).samples.map(({ file, label }) => `${file.slice(-5)} ${classes[label]}`);
  assert.deepEqual(labelled("n02119789 kit fox", "cat", "n01440764"), [
    "c.jpg cat",
    "b.jpg n01440764",
    "a.jpg n02119789 kit fox",
  ]);
  assert.deepEqual(
    labelled("n01440764", "n02119789 kit fox, Vulpes macrotis", "cat")[2],
    "a.jpg n02119789 kit fox, Vulpes macrotis",
  );
  refuses(() => openFolder(root, { classes: ["n0211978 kit fox", "cat", "n01440764"] }), /found: +"n02119789"/);
});

test("a folder that cannot be used is refused with what was expected and found", (t) => {
  refuses(() => openFolder(join(folderOf(t), "absent")), /absent: the folder cannot be read/, /nothing at this path/);
  refuses(() => openFolder(join(folderOf(t, "file.jpg"), "file.jpg")), /a file/);
  refuses(() => openFolder(folderOf(t)), /the folder is empty/, /one folder a class/);
  refuses(() => openFolder(folderOf(t, "a.jpg", "b.jpg", "c.txt")), /not in class folders/, /2 pictures and 1 other/);
  refuses(() => openFolder(folderOf(t, "cat/a.jpg")), /a single class/, /only "cat"/);
  refuses(() => openFolder(folderOf(t, "cat/a.jpg", "dog/")), /dog: a class has no pictures/, /an empty folder/);
  refuses(() => openFolder(folderOf(t, "cat/a.jpg", "dog/a.gif")), /\.jpg, \.jpeg, \.png, \.webp/, /"a\.gif"/);
});

test("class folders that the network lacks are refused with the nearest name", (t) => {
  const root = folderOf(t, "cat/a.jpg", "dogs/b.jpg", "x/c.jpg");
  refuses(() => openFolder(root, { classes: ["ant", "cat", "dog"] }), /2 of the class/, /"dogs", "x"/, /are "dog"/);
});

test("train and val: the labels of both are those of train", (t) => {
  const root = folderOf(t, "train/ant/1.jpg", "train/bee/1.jpg", "train/cat/1.jpg", "val/cat/2.jpg", "val/ant/2.jpg");
  const { train, val } = openTrainingFolders(root);
  assert.deepEqual(train.classes, ["ant", "bee", "cat"]);
  assert.equal(val.classes, train.classes);
  assert.deepEqual(
    val.samples.map(({ label }) => label),
    [0, 2],
  );
});

test("train or val missing, or at odds", (t) => {
  refuses(() => openTrainingFolders(folderOf(t, "cat/1.jpg", "dog/1.jpg")), /no train\/ and no val\//, /"cat", "dog"/);
  refuses(() => openTrainingFolders(folderOf(t, "train/cat/1.jpg", "test/cat/1.jpg")), /no val\//, /a tenth/);
  refuses(() => openTrainingFolders(folderOf(t)), /no folders/);
  const odd = folderOf(t, "train/cat/1.jpg", "train/dog/1.jpg", "val/cat/1.jpg", "val/cow/1.jpg");
  refuses(() => openTrainingFolders(odd), /val: 1 of the class folders/, /found: +"cow"/);
  refuses(() => openTrainingFolders(folderOf(t, "train/cat/1.jpg", "val/cat/1.jpg")), /train: there is a single class/);
});
