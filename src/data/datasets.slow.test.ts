import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../tests/command.ts";
import { golden } from "../../tests/support.ts";
import { joined, type Member, tarOf } from "../../tests/tar.ts";
import { SenetError } from "../errors.ts";
import { imagenetPreprocessing } from "../images/preprocess.ts";
import type { Dataset, Sample } from "./dataset.ts";
import { datasets, kindOf, openDataset } from "./datasets.node.ts";
import { Loader } from "./loader.node.ts";
import { SourceReader } from "./source.node.ts";
import { packSources, sourceAt } from "./sources.ts";
import { openTrainingData } from "./split.node.ts";

const picture = (name: string): Uint8Array => readFileSync(golden("images", name));
const [red, wide, tall, square] = ["rgb.png", "wide.jpg", "tall.jpg", "square.jpg"].map(picture) as [
  ...[Uint8Array, Uint8Array, Uint8Array, Uint8Array],
];

function put(root: string, files: Readonly<Record<string, Uint8Array | string>>): string {
  for (const [name, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), bytes);
  }
  return root;
}

const archive = (files: Readonly<Record<string, Uint8Array | string>>, more: readonly Member[] = []): Uint8Array =>
  tarOf([...Object.entries(files).map(([name, bytes]) => ({ name, bytes })), ...more]);

const shown = ({ root, classes, samples }: Dataset) =>
  samples.map(({ file, label }) => `${relative(root, file)} ${classes[label]}`);

function refuses(action: () => unknown, ...patterns: RegExp[]): void {
  assert.throws(action, (error) => {
    assert.ok(error instanceof SenetError && error.code === "data", String(error));
    for (const pattern of patterns) assert.match(error.message, pattern);
    return true;
  });
}

/** What the loader makes of them, in order. */
async function pixelsOf(dataset: Dataset): Promise<{ images: number[]; labels: number[]; failures: string[] }> {
  await using loader = new Loader({
    dataset,
    batchSize: 2,
    transform: { kind: "evaluate", preprocessing: { ...imagenetPreprocessing, resize: 8, crop: 8 } },
    workers: 1,
    cacheBytes: 0,
    tolerant: true,
  });
  const images: number[] = [];
  const labels: number[] = [];
  const each = loader.batchSize === 2 ? 3 * 8 * 8 : 0;
  for await (const batch of loader.epoch(0)) {
    images.push(...batch.images.data.subarray(0, batch.size * each));
    labels.push(...batch.labels.data.subarray(0, batch.size));
  }
  return { images, labels, failures: loader.failures.map(({ file, reason }) => `${file}: ${reason}`) };
}

const files = {
  "train/ant/1.png": red,
  "train/ant/2.jpg": wide,
  "train/bee/1.jpg": tall,
  "train/bee/.hidden.jpg": "no",
  "train/bee/notes.txt": "no",
  "train/bee/what": "neither",
  "val/ant/3.jpg": square,
  "val/bee/4.jpg": wide,
};

test("an archive of class folders is what the folders are: samples, order, pixels", async () => {
  const root = temporaryFolder();
  put(join(root, "folder"), files);
  // In another order, and below a folder that is called as the data set.
  for (const prefix of ["", "./", "pictures-224/"]) {
    const entries = Object.entries(files).reverse();
    const file = join(
      put(root, { "all.tar": archive(Object.fromEntries(entries.map(([k, v]) => [prefix + k, v]))) }),
      "all.tar",
    );
    const [packed, loose] = [openTrainingData(file), openTrainingData(join(root, "folder"))];
    for (const part of ["train", "val"] as const) {
      assert.deepEqual(packed[part].classes, ["ant", "bee"]);
      assert.deepEqual(
        packed[part].samples.map(({ file: name, label }) => [name.slice(name.indexOf(part)), label]),
        loose[part].samples.map(({ file: name, label }) => [relative(join(root, "folder"), name), label]),
      );
      if (prefix === "") assert.deepEqual(await pixelsOf(packed[part]), await pixelsOf(loose[part]));
    }
    assert.deepEqual(packed.remarks, [
      `1 file of another type is left out: without a type (1), such as ${join(file, `${prefix}train/bee/what`)}`,
    ]);
    // To measure with: the part that is for it.
    const measured = openDataset(file, { classes: ["x", "bee", "ant"] });
    assert.deepEqual(
      shown(measured).map((name) => name.slice(-10)),
      ["/4.jpg bee", "/3.jpg ant"],
    );
    assert.match(measured.remarks!.join(), /of "train", "val", "val" is what is measured/);
  }
});

test("WebDataset: the class stands in a file beside, as a number or a name", () => {
  const root = temporaryFolder();
  const open = (inside: Readonly<Record<string, string | Uint8Array>>, options = {}) =>
    openDataset(join(put(root, { "a.tar": archive(inside) }), "a.tar"), options);
  const numbers = { "001.jpg": wide, "001.cls": "1\n", "002.jpg": tall, "002.cls": "0", "002.json": "{}" };
  assert.deepEqual(shown(open(numbers)), ["002.jpg 0", "001.jpg 1"]);
  assert.deepEqual(shown(open(numbers, { classes: ["ant", "bee", "cat"] })), ["002.jpg ant", "001.jpg bee"]);
  // Numbers that count in another order than the network's.
  const turned = { classes: ["ant", "bee"], numbered: ["bee", "ant"] };
  assert.deepEqual(shown(open(numbers, turned)), ["001.jpg ant", "002.jpg bee"]);
  const names = { "d/001.jpg": wide, "d/001.cls": "bee", "d/002.seg.jpg": tall, "d/002.cls": "ant" };
  assert.deepEqual(shown(open(names)), ["d/002.seg.jpg ant", "d/001.jpg bee"]);
  refuses(() => open({ ...numbers, "003.jpg": tall }), /003\.jpg: a picture has no \.cls/);
  refuses(() => open({ ...numbers, "001.png": red }), /001\.png: two pictures have the same \.cls/);
  refuses(
    () => open({ ...numbers, "001.cls": "7" }, { classes: ["ant", "bee"] }),
    /001\.cls: .*no class of this number/,
  );
  refuses(() => open({ ...numbers, "001.cls": "999999999" }), /no class of this number/, /0 to 99999/);
  refuses(() => open({ ...numbers, "001.cls": "" }), /001\.cls: the class of a picture cannot be read/);
  refuses(() => open({ ...numbers, "001.cls": "9".repeat(300) }), /300 bytes/);
});

test("several archives are one data set: parts by their names or folders, or each of them a class", () => {
  const root = temporaryFolder();
  const shard = (key: string, label: number) => archive({ [`${key}.jpg`]: wide, [`${key}.cls`]: `${label}` });
  const byName = put(join(root, "by-name"), {
    "pets-train-000.tar": shard("a", 0),
    "pets-train-001.tar": shard("b", 1),
    "pets-val-000.tar": shard("c", 1),
  });
  const { train, val, remarks } = openTrainingData(byName);
  assert.deepEqual(shown(train), ["pets-train-000.tar/a.jpg 0", "pets-train-001.tar/b.jpg 1"]);
  assert.deepEqual(shown(val), ["pets-val-000.tar/c.jpg 1"]);
  assert.deepEqual(remarks, [`${byName} has no pictures of 1 of the 2 classes, which are not validated: "0"`]);
  assert.deepEqual(shown(openDataset(byName, { classes: ["x", "y"] })), ["pets-val-000.tar/c.jpg y"]);
  const byFolder = put(join(root, "by-folder"), {
    "train/000.tar": shard("a", 0),
    "train/001.tar": shard("b", 1),
    "val/000.tar": shard("c", 0),
  });
  assert.deepEqual(shown(openTrainingData(byFolder).train), ["000.tar/a.jpg 0", "001.tar/b.jpg 1"]);
  const aClassEach = put(join(root, "classes"), {
    "n01440764.tar": archive({ "n01440764_1.JPEG": wide }),
    "n02102040.tar": archive({ "n02102040_1.JPEG": tall }),
  });
  assert.deepEqual(shown(openDataset(aClassEach)), [
    "n01440764.tar/n01440764_1.JPEG n01440764",
    "n02102040.tar/n02102040_1.JPEG n02102040",
  ]);
  // Archives that lie beside class folders are none of the data.
  put(byFolder, { "train.tar": "left over" });
  assert.equal(kindOf(byFolder).hasParts, false);
});

test("what is odd in an archive is said; what cannot be used is refused", async () => {
  const root = temporaryFolder();
  const write = (bytes: Uint8Array, name = "a.tar") => join(put(root, { [name]: bytes }), name);
  const pair = { "ant/1.jpg": wide, "bee/1.jpg": tall };
  const odd = write(
    archive({ ...pair, "loose.jpg": red }, [
      { name: "bee/1.jpg", bytes: square },
      { name: "bee/l.jpg", type: "2" },
    ]),
  );
  const found = openDataset(odd);
  assert.deepEqual(shown(found), ["ant/1.jpg ant", "bee/1.jpg bee"]);
  assert.deepEqual(found.remarks, [
    `${odd} has a name more than once; the last of each counts, as in unpacking`,
    `1 picture that is in no class folder left out, such as ${join(odd, "loose.jpg")}`,
    `something that is not a file is left out: ${join(odd, "bee/l.jpg")}`,
  ]);
  // The last of the two.
  const expected = await pixelsOf(openDataset(put(join(root, "f"), { ...pair, "bee/1.jpg": square })));
  assert.deepEqual(await pixelsOf(found), expected);
  assert.match(
    openDataset(write(tarOf([{ name: "a/1.jpg" }, { name: "b/1.jpg" }], false))).remarks!.join(),
    /may have been cut off/,
  );
  const whole = archive(pair);
  refuses(() => openDataset(write(whole.subarray(0, 700))), /damaged or cut off/, /in the middle of ant\/1\.jpg/);
  refuses(() => openDataset(write(archive({ "a/../../x.jpg": red }))), /leads out of the archive/);
  refuses(() => openDataset(write(archive({ "readme.txt": "" }))), /no pictures in the archive/);
  refuses(() => openDataset(write(new Uint8Array())), /no pictures in the archive/);
  refuses(() => openDataset(write(archive({ "1.jpg": wide, "2.jpg": tall }))), /not in class folders/);
  refuses(() => openDataset(write(archive({ "ant/1.jpg": wide }))), /only one class/);
  refuses(() => openDataset(write(whole), { classes: ["ant", "bees"] }), /not classes of the network/, /"bee"/);
  refuses(() => openDataset(write(whole, "a.tar.gz")), /compressed/, /gunzip/);
  refuses(() => openTrainingData(join(root, "{a,b}.tar.gz")), /a\.tar\.gz: the archive is compressed/);
  refuses(() => openTrainingData(put(temporaryFolder(), { "a.tgz": whole })), /a\.tgz: the archive is compressed/);
  refuses(
    () => openTrainingData(write(whole)),
    /no training and validation parts/,
    /found: +"ant", "bee"\n.*`valSplit` 0\.1/,
  );
  refuses(
    () => openTrainingData(write(archive({ "train/a/1.jpg": red, "train/b/1.jpg": red }))),
    /no training and validation parts/,
  );
  refuses(() => openTrainingData(join(root, "absent.tar")), /nothing at this path/);
});

test("a picture in an archive that cannot be decoded is left out by its name in it; so is all that was cut off later", async () => {
  const root = temporaryFolder();
  const inside = { "ant/1.jpg": wide, "ant/2.jpg": wide.subarray(0, 300), "bee/1.jpg": tall, "bee/2.jpg": "text" };
  const file = join(put(root, { "a.tar": archive(inside) }), "a.tar");
  const dataset = openDataset(file);
  const { labels, failures } = await pixelsOf(dataset);
  assert.deepEqual(labels, [0, 1]);
  assert.equal(failures.length, 2);
  assert.ok(
    failures.some((text) => text.startsWith(`${join(file, "ant/2.jpg")}: the JPEG picture is truncated`)),
    failures.join(),
  );
  assert.ok(
    failures.some((text) => text.startsWith(`${join(file, "bee/2.jpg")}: this is not a picture`)),
    failures.join(),
  );
  truncateSync(file, 600);
  const later = await pixelsOf(dataset);
  assert.deepEqual(later.labels, []);
  assert.match(later.failures[0]!, /the file ends after/);
  rmSync(file);
  assert.match((await pixelsOf(dataset)).failures[0]!, /no such file/);
});

/** A picture of CIFAR by hand: red rises along the rows, green along the columns, blue is its number. */
function cifarRecord(label: readonly number[], number: number): Uint8Array {
  const plane = (value: (x: number, y: number) => number) =>
    Uint8Array.from({ length: 1024 }, (_, i) => value(i % 32, Math.floor(i / 32)));
  return joined([Uint8Array.from(label), plane((x) => 4 * x), plane((_, y) => 8 * y), plane(() => number)]);
}

const ten = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

function cifarTen(): string {
  const records = (first: number) =>
    joined(Array.from({ length: 10 }, (_, i) => cifarRecord([(first + i) % 10], first + i)));
  return put(join(temporaryFolder(), "cifar-10-batches-bin"), {
    "data_batch_1.bin": records(0),
    "data_batch_2.bin": records(13),
    "data_batch_10.bin": records(26),
    "test_batch.bin": records(100),
    "batches.meta.txt": `${ten.join("\n")}\n\n`,
    "readme.html": "<html>",
  });
}

test("CIFAR-10: planes of records, labels, names and parts, against a file made by hand", async () => {
  const root = cifarTen();
  const { train, val, remarks } = openTrainingData(root);
  assert.deepEqual(remarks, []);
  assert.deepEqual(train.classes, ten);
  assert.equal(train.samples.length, 30);
  assert.deepEqual(
    train.samples.filter((_, i) => i % 10 === 3).map(({ file, label }) => [relative(root, file), label]),
    [
      [join("data_batch_1.bin", "3"), 3],
      [join("data_batch_2.bin", "3"), 6],
      [join("data_batch_10.bin", "3"), 9],
    ],
  );
  const reader = new SourceReader();
  const { source } = train.samples[13]!;
  const { width, height, data } = await reader.open(source!).decode();
  assert.deepEqual([width, height], [32, 32]);
  for (const [x, y] of [
    [0, 0],
    [31, 0],
    [0, 31],
    [5, 9],
  ] as const) {
    assert.deepEqual([...data.subarray(3 * (32 * y + x), 3 * (32 * y + x) + 3)], [4 * x, 8 * y, 16]);
  }
  // As a picture file it is the same.
  const png = join(root, "..", "13.png");
  writeFileSync(png, await reader.encoded(source!));
  const again = await reader.open({ kind: "file", file: png }).decode();
  assert.deepEqual(Uint8Array.from(again.data), data);
  reader.close();
  // Labels are the network's, in whatever order it has them.
  const turned = openDataset(root, { classes: [...ten].reverse() });
  assert.deepEqual(
    turned.samples.map(({ label }) => label),
    [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
  );
  assert.match(turned.remarks!.join(), /test_batch\.bin is what is measured/);
  assert.equal(openDataset(join(root, "data_batch_2.bin")).samples.length, 10);
  assert.deepEqual((await pixelsOf(val)).labels, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("CIFAR-100: the fine label counts", () => {
  const names = Array.from({ length: 100 }, (_, i) => `class ${99 - i}`);
  const root = put(temporaryFolder(), {
    "train.bin": joined([cifarRecord([19, 11], 0), cifarRecord([4, 98], 1)]),
    "test.bin": cifarRecord([0, 30], 2),
    "fine_label_names.txt": names.join("\n"),
    "coarse_label_names.txt": "coarse",
  });
  const { train, val } = openTrainingData(root);
  assert.deepEqual(train.classes, names);
  assert.deepEqual(
    train.samples.map(({ label, source }) => [label, source]),
    [
      [11, { kind: "pixels", file: join(root, "train.bin"), start: 2, width: 32, height: 32 }],
      [98, { kind: "pixels", file: join(root, "train.bin"), start: 3076, width: 32, height: 32 }],
    ],
  );
  assert.deepEqual(
    val.samples.map(({ label }) => label),
    [30],
  );
});

test("CIFAR that is cut off, damaged or incomplete is refused; without names its classes are numbers", () => {
  const root = cifarTen();
  const batch = join(root, "data_batch_1.bin");
  truncateSync(batch, 5000);
  refuses(
    () => openTrainingData(root),
    /data_batch_1\.bin: the file ends in the middle of a picture/,
    /1 pictures and 1927 bytes/,
  );
  writeFileSync(batch, "");
  refuses(() => openTrainingData(root), /ends in the middle of a picture/);
  writeFileSync(batch, joined([cifarRecord([3], 0), cifarRecord([10], 0)]));
  refuses(() => openTrainingData(root), /classes from 0 to 9/, /10 for picture 1/);
  writeFileSync(batch, cifarRecord([3], 0));
  refuses(() => openDataset(root, { classes: ten.slice(1) }), /1 of the classes of CIFAR-10 are not/, /"airplane"/);
  writeFileSync(join(root, "batches.meta.txt"), "airplane\nship\n");
  refuses(() => openTrainingData(root), /not the names of the classes of CIFAR-10/);
  rmSync(join(root, "batches.meta.txt"));
  const { train, remarks } = openTrainingData(root);
  assert.deepEqual(train.classes, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
  assert.match(remarks.join(), /there is no batches\.meta\.txt: the classes are named by their numbers/);
  assert.equal(openDataset(root, { classes: ten }).samples[0]!.label, 0);
  rmSync(join(root, "test_batch.bin"));
  refuses(() => openTrainingData(root), /the pictures to validate with are missing/);
});

test("sources take any form through the memory that threads share", () => {
  const samples: Sample[] = [
    { file: "/päth/1.jpg", label: 0 },
    { file: "x", label: 0, source: { kind: "range", file: "/big.tar", start: 2 ** 40 + 1, length: 0 } },
    { file: "y", label: 0, source: { kind: "pixels", file: "/big.tar", start: 5, width: 7, height: 3 } },
    { file: "/2.jpg", label: 0 },
  ];
  const packed = structuredClone(packSources(samples));
  assert.deepEqual(
    samples.map((_, i) => sourceAt(packed, i)),
    [{ kind: "file", file: "/päth/1.jpg" }, samples[1]!.source, samples[2]!.source, { kind: "file", file: "/2.jpg" }],
  );
});

test("more archives than may be open at once are read all the same", async () => {
  const root = temporaryFolder();
  const samples = Array.from({ length: 70 }, (_, i): Sample => {
    const file = join(root, `${i}.bin`);
    copyFileSync(golden("images", "rgb.png"), file);
    return { file, label: i % 2, source: { kind: "range", file, start: 0, length: red.length } };
  });
  const { labels, failures } = await pixelsOf({ root, classes: ["a", "b"], samples: [...samples, ...samples] });
  assert.deepEqual([labels.length, failures], [140, []]);
});

test("each kind has a name of its own, and the last takes what no other does", () => {
  assert.equal(new Set(datasets.map(({ name }) => name)).size, datasets.length);
  assert.equal(kindOf(join(temporaryFolder(), "absent")), datasets.at(-1));
});
