import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { golden } from "../../tests/support.ts";
import { SenetError } from "../errors.ts";
import { openDataset } from "./datasets.node.ts";
import { openFolder } from "./folder.node.ts";
import { openTrainingData } from "./split.node.ts";

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

test("classes and pictures are sorted by name; other files and hidden ones are passed over", (t) => {
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
    // Of Synology's, QNAP's, Windows', macOS's and Linux's: thumbnails, and what was deleted.
    "cat/@eaDir/a.jpeg/SYNOPHOTO_THUMB_M.jpg",
    ...["@eaDir", "#recycle", "@Recycle", "$RECYCLE.BIN", "$Recycle.Bin", "__MACOSX"].map((name) => `${name}/x.jpg`),
    ...["System Volume Information/", "lost+found/", "cat/Thumbs.db", "cat/._a.jpeg"],
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

test("pictures may lie deeper, in torchvision's order, and behind links", (t) => {
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
  const remark = (openFolder(root).remarks ?? []).join();
  assert.match(remark, /^2 folders are in two classes, such as .*linked, which is in .*a too$/);
});

/** Paths within the data set, in its order. */
const inside = (root: string, samples: readonly { file: string }[]) =>
  samples.map(({ file }) => file.slice(root.length + 1));

test("links that lead in circles add nothing, and are named", (t) => {
  const root = folderOf(t, "train/a/1.jpg", "train/a/deep/2.jpg", "train/b/3.jpg", "val/a/4.jpg", "val/b/5.jpg");
  const train = join(root, "train");
  symlinkSync(".", join(train, "a", "dot"));
  symlinkSync("..", join(train, "a", "up"));
  symlinkSync("../..", join(train, "a", "top"));
  symlinkSync(join(root, "train"), join(train, "a", "deep", "whole"));
  symlinkSync("..", join(train, "a", "deep", "back"));
  symlinkSync("deep", join(train, "a", "again"));
  symlinkSync("/", join(train, "a", "everything"));
  symlinkSync(".", join(train, "loop"));
  symlinkSync("itself", join(train, "b", "itself"));
  const { classes, samples, remarks } = openFolder(train);
  assert.deepEqual(classes, ["a", "b"]);
  assert.deepEqual(inside(train, samples), ["a/1.jpg", "a/deep/2.jpg", "b/3.jpg"]);
  const text = remarks!.join("\n");
  assert.match(text, /^8 links to folders that are counted already are left out, such as .*loop$/m);
  assert.match(text, /^1 file of another type is left out: without a type \(1\), such as .*itself$/m);
});

test("two links in each of many folders do not double what there is to do", (t) => {
  const root = folderOf(t, ...Array.from({ length: 30 }, (_, i) => `a/${i}/x.jpg`), "b/x.jpg");
  for (let i = 0; i < 30; i++) {
    symlinkSync(`../${(i + 1) % 30}`, join(root, "a", `${i}`, "one"));
    symlinkSync(`../${(i + 7) % 30}`, join(root, "a", `${i}`, "two"));
  }
  assert.equal(openFolder(root).samples.length, 31);
});

test("pictures are known by what is in them where their names do not say it; the rest is counted", (t) => {
  const root = folderOf(
    t,
    "a/1.jpg",
    "a/2.jfif",
    "a/3.tif",
    "a/notes.txt",
    "a/4.heic",
    "a/5.heic",
    "a/6.avif",
    "b/7.bmp",
  );
  const jpeg = readFileSync(golden("images", "rgb-420.jpg"));
  for (const name of ["a/no-type", "a/photo.heic", "a/x.jpg_large"]) writeFileSync(join(root, name), jpeg);
  const { samples, remarks } = openFolder(root);
  assert.deepEqual(inside(root, samples), [
    ...["a/1.jpg", "a/2.jfif", "a/3.tif", "a/no-type", "a/photo.heic", "a/x.jpg_large", "b/7.bmp"],
  ]);
  assert.deepEqual(remarks, [
    `3 files of other types are left out: .heic (2), .avif (1), such as ${join(root, "a/4.heic")}`,
  ]);
});

test("pipes and sockets among the pictures are left out, and named", (t) => {
  const root = folderOf(t, "a/1.jpg", "b/2.jpg");
  execFileSync("mkfifo", [join(root, "a", "pipe.jpg"), join(root, "b", "pipe.png")]);
  const { samples, remarks } = openFolder(root);
  assert.equal(samples.length, 2);
  assert.deepEqual(remarks, [
    `2 things that are not files (pipes, sockets, devices) are left out, such as ${join(root, "a", "pipe.jpg")}`,
  ]);
});

test("names of every kind: with line breaks, as on Windows, and not in UTF-8", (t) => {
  const root = folderOf(t, "a/line\nbreak .jpg", "a/C:\\x.jpg", "a/\u{1f600}.jpg", "b/x.jpg");
  const bad = Buffer.concat([Buffer.from(`${root}/a/caf`), Buffer.from([0xe9]), Buffer.from(".jpg")]);
  writeFileSync(bad, "");
  const { samples, remarks } = openFolder(root);
  assert.equal(samples.length, 4);
  assert.equal(remarks!.length, 1);
  assert.match(remarks![0]!, /^a name that is not UTF-8 is left out: .*caf\ufffd\.jpg$/);
  mkdirSync(Buffer.concat([Buffer.from(`${root}/caf`), Buffer.from([0xe9])]));
  refuses(() => openFolder(root), /the name of a folder is not UTF-8/);
});

test("a folder that one may not read is refused by name", { skip: process.getuid?.() === undefined }, (t) => {
  const root = folderOf(t, "a/1.jpg", "b/deep/2.jpg");
  chmodSync(root, 0o755);
  chmodSync(join(root, "b", "deep"), 0);
  const script = `
    process.setuid?.(process.getuid() === 0 ? 65534 : process.getuid());
    const { openFolder } = await import(${JSON.stringify(new URL("./folder.node.js", import.meta.url).href)});
    try { openFolder(${JSON.stringify(root)}) } catch (error) { console.log(error.code, error.message) }`;
  const told = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  assert.match(told, /^data .*deep: the folder cannot be read/);
  assert.match(told, /permission denied/);
});

test("names that differ only in their Unicode form are the same class", (t) => {
  const [one, two] = ["caf\u00e9", "cafe\u0301"];
  const root = folderOf(t, `train/${one}/1.jpg`, "train/tea/1.jpg", `val/${two}/2.jpg`, "val/tea/2.jpg");
  const { train, val } = openTrainingData(root);
  assert.deepEqual(train.classes, [one, "tea"]);
  assert.deepEqual(
    val.samples.map(({ label }) => label),
    [0, 1],
  );
  const both = folderOf(t, `${one}/1.jpg`, `${two}/1.jpg`);
  refuses(() => openFolder(both), /names that differ only in their Unicode form/);
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
  refuses(() => openFolder(folderOf(t)), /the folder is empty/, /one folder per class/);
  refuses(() => openFolder(folderOf(t, "a.jpg", "b.jpg", "c.txt")), /not in class folders/, /2 pictures and 1 other/);
  refuses(() => openTrainingData(join(folderOf(t, "a.zip"), "a.zip")), /found: +a file/, /unpack it first/);
  refuses(() => openFolder(folderOf(t, "a.txt")), /there are no pictures in the folder/, /0 pictures and 1 other/);
  const pickles = folderOf(t, "batches.meta", "data_batch_1", "test_batch");
  for (const open of [openFolder, openTrainingData]) refuses(() => open(pickles), /cifar-10-binary\.tar\.gz, unpacked/);
  refuses(() => openTrainingData(folderOf(t, "meta", "test", "train")), /cifar-100-binary\.tar\.gz/);
  refuses(() => openFolder(folderOf(t, "cat/a.jpg")), /only one class/, /only "cat"/);
  refuses(() => openFolder(folderOf(t, "cat/a.jpg", "dog/")), /dog: a class has no pictures/, /an empty folder/);
  refuses(() => openFolder(folderOf(t, "cat/a.jpg", "dog/a.heic")), /\.jpg, \.jpeg, .*\.png, \.webp/, /"a\.heic"/);
});

test("class folders that the network lacks are refused with the nearest name", (t) => {
  const root = folderOf(t, "cat/a.jpg", "dogs/b.jpg", "x/c.jpg");
  refuses(() => openFolder(root, { classes: ["ant", "cat", "dog"] }), /2 of the class/, /"dogs", "x"/, /are "dog"/);
});

test("train and val: the labels of both are those of train", (t) => {
  const root = folderOf(t, "train/ant/1.jpg", "train/bee/1.jpg", "train/cat/1.jpg", "val/cat/2.jpg", "val/ant/2.jpg");
  const { train, val } = openTrainingData(root);
  assert.deepEqual(train.classes, ["ant", "bee", "cat"]);
  assert.equal(val.classes, train.classes);
  assert.deepEqual(
    val.samples.map(({ label }) => label),
    [0, 2],
  );
});

test("folders that are named otherwise are understood, with a word", (t) => {
  const remarks = (...paths: string[]) =>
    openTrainingData(folderOf(t, ...paths, "train/a/1.jpg", "train/b/1.jpg")).remarks;
  const named = (name: string) => [`${name}/ is used for validation, because there is no val/`];
  for (const name of ["validation", "valid", "test", "Val", "Validation"]) {
    assert.deepEqual(remarks(`${name}/a/2.jpg`, `${name}/b/2.jpg`), named(name));
  }
  assert.deepEqual(remarks("valid/a/2.jpg", "valid/b/2.jpg", "test/a/3.jpg", "test/c/3.jpg"), named("valid"));
  assert.deepEqual(remarks("val/a/2.jpg", "val/b/2.jpg", "test/3.jpg"), []);
  const other = folderOf(t, "training/a/1.jpg", "training/b/1.jpg", "val/a/2.jpg", "val/b/2.jpg");
  assert.deepEqual(openTrainingData(other).remarks, ["training/ is used for training, because there is no train/"]);
});

test("Tiny ImageNet: pictures in images/, and the classes of val/ in a file", (t) => {
  const root = folderOf(
    t,
    ...["train/n01443537/images/1.JPEG", "train/n01443537/n01443537_boxes.txt", "train/n01629819/images/1.JPEG"],
    ...["val/images/val_0.JPEG", "val/images/val_1.JPEG", "val/images/val_2.JPEG", "test/images/test_0.JPEG"],
  );
  const file = join(root, "val", "val_annotations.txt");
  writeFileSync(
    file,
    "val_0.JPEG\tn01629819\t0\t32\t44\t62\nval_1.JPEG\tn01443537\t5\t5\t9\t9\r\nval_2.JPEG\tn01629819\t0\t0\t1\t1\n",
  );
  const { train, val, remarks } = openTrainingData(root);
  assert.deepEqual(train.classes, ["n01443537", "n01629819"]);
  assert.equal(train.samples.length, 2);
  assert.deepEqual(
    val.samples.map(({ file, label }) => [file.slice(root.length + 1), label]),
    [
      ["val/images/val_1.JPEG", 0],
      ["val/images/val_0.JPEG", 1],
      ["val/images/val_2.JPEG", 1],
    ],
  );
  assert.deepEqual(remarks, [`the classes of the pictures in ${join(root, "val", "images")} are read from ${file}`]);
  const { samples } = openDataset(join(root, "val"), {
    classes: ["newt", "n01629819 salamander", "n01443537 goldfish"],
  });
  assert.deepEqual(
    samples.map(({ label }) => label),
    [1, 1, 2],
  );
  refuses(
    () => openDataset(join(root, "val"), { classes: ["n01443537"] }),
    /1 of the annotated classes/,
    /"n01629819"/,
  );
  writeFileSync(file, "val_9.JPEG\tn01629819\n");
  refuses(() => openTrainingData(root), /annotated pictures are missing/, /val_9/);
  writeFileSync(file, "val_0.JPEG n01629819\n");
  refuses(() => openTrainingData(root), /line 1: this is not a line of annotations/);
});

test("classes without pictures to validate with are named, also where their folder is empty", (t) => {
  const train = ["train/a/1.jpg", "train/b/1.jpg", "train/c/1.jpg"];
  const root = folderOf(t, ...train, "val/a/2.jpg", "val/b/");
  assert.deepEqual(openTrainingData(root).remarks, [
    `${join(root, "val")} has no pictures of 2 of the 3 classes, which are not validated: "b", "c"`,
  ]);
  refuses(() => openTrainingData(folderOf(t, ...train, "val/a/", "val/b/")), /a class has no pictures/);
  refuses(() => openTrainingData(folderOf(t, ...train, "train/d/", "val/a/2.jpg")), /train.d: a class has no pictures/);
});

test("a data set that is split where one part is wanted, or the other way round, says which", (t) => {
  const root = folderOf(t, "train/a/1.jpg", "train/b/1.jpg", "val/a/2.jpg", "val/b/2.jpg");
  refuses(() => openFolder(root, { classes: ["a", "b"] }), new RegExp(`try: +\`data\` ${join(root, "val")}$`, "m"));
  refuses(() => openFolder(root), /this folder is split/);
  refuses(() => openTrainingData(join(root, "train")), new RegExp(`try: +\`data\` ${root}, which has both`));
  const whole = folderOf(t, "cat/1.jpg", "dog/1.jpg");
  refuses(
    () => openTrainingData(whole),
    new RegExp(`keeps a tenth of each back to validate with; or put them into ${join(whole, "train")} and`),
  );
  // Classes may be called so.
  assert.equal(openFolder(folderOf(t, "train/1.jpg", "bus/1.jpg"), { classes: ["bus", "train"] }).samples.length, 2);
  assert.deepEqual(openFolder(folderOf(t, "train/1.jpg", "bus/1.jpg")).classes, ["bus", "train"]);
});

test("train or val missing, or at odds", (t) => {
  refuses(() => openTrainingData(folderOf(t, "cat/1.jpg", "dog/1.jpg")), /no train\/ and no val\//, /"cat", "dog"/);
  refuses(() => openTrainingData(folderOf(t, "train/cat/1.jpg", "other/cat/1.jpg")), /no val\//, /a tenth/);
  refuses(() => openTrainingData(folderOf(t)), /no folders/);
  const odd = folderOf(t, "train/cat/1.jpg", "train/dog/1.jpg", "val/cat/1.jpg", "val/cow/1.jpg");
  refuses(() => openTrainingData(odd), /val: 1 of the class folders/, /found: +"cow"/);
  refuses(() => openTrainingData(folderOf(t, "train/cat/1.jpg", "val/cat/1.jpg")), /train: there is only one class/);
});
