import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { needsShared, sharedData } from "../../tests/support.ts";
import { SenetError } from "../errors.ts";
import { openList } from "./list.node.ts";

/** A temporary folder with a list and the (empty) pictures named. */
function listOf(t: TestContext, text: string, ...pictures: string[]): { list: string; root: string } {
  const root = mkdtempSync(join(tmpdir(), "senet-list-"));
  t.after(() => rmSync(root, { recursive: true }));
  for (const picture of pictures) {
    mkdirSync(dirname(join(root, picture)), { recursive: true });
    writeFileSync(join(root, picture), "");
  }
  writeFileSync(join(root, "list.txt"), text);
  return { list: join(root, "list.txt"), root };
}

function refuses(action: () => unknown, ...patterns: RegExp[]): void {
  assert.throws(action, (error) => {
    assert.ok(error instanceof SenetError && error.code === "data", String(error));
    for (const pattern of patterns) assert.match(error.message, pattern);
    return true;
  });
}

test("pictures in the list's order; names may hold spaces and folders, lines may end in any way", (t) => {
  const { list, root } = listOf(t, "b.jpg 1\r\na/my cat.jpg 0\n\nc.jpg\t2", "b.jpg", "a/my cat.jpg", "c.jpg");
  const { samples, missing } = openList(list, { root, classes: ["x", "y", "z"] });
  assert.deepEqual(samples, [
    { file: join(root, "b.jpg"), label: 1 },
    { file: join(root, "a/my cat.jpg"), label: 0 },
    { file: join(root, "c.jpg"), label: 2 },
  ]);
  assert.equal(missing, 0);
});

test("numbers go through names to the network's classes, by WordNet id where they have one", (t) => {
  const { list, root } = listOf(t, "fox.jpg 0\ntench.jpg 1\n", "fox.jpg", "tench.jpg");
  const numbered = ["n02119789 kit fox, Vulpes macrotis", "n01440764 tench"];
  const labels = (classes: string[]) => openList(list, { root, classes, numbered }).samples.map(({ label }) => label);
  assert.deepEqual(labels(["n01440764", "n02119789 kit fox"]), [1, 0]);
  assert.deepEqual(labels(["n02119789 kit fox", "other", "n01440764 tench"]), [0, 2]);
  refuses(
    () => labels(["n02119789 kit fox"]),
    /list\.txt, line 2: .*not one of the network's/,
    /1, which is "n01440764/,
  );
});

test("a byte order mark, and names in another Unicode form than the files'", (t) => {
  const { list, root } = listOf(t, "\ufeffcaf\u00e9.jpg 1\n", "cafe\u0301.jpg");
  const { samples } = openList(list, { root, classes: ["x", "y"] });
  assert.deepEqual(samples, [{ file: join(root, "cafe\u0301.jpg"), label: 1 }]);
});

test("names with the separators of Windows", (t) => {
  const { list, root } = listOf(t, "a\\b\\c.jpg 1\n", "a/b/c.jpg");
  assert.deepEqual(openList(list, { root, classes: ["x", "y"] }).samples, [
    { file: join(root, "a/b/c.jpg"), label: 1 },
  ]);
});

test("whole paths are taken as they are, where the folder holds none of that name", (t) => {
  const { list, root } = listOf(t, "a.jpg 0\n", "a.jpg", "sub/x.jpg");
  writeFileSync(list, `${join(root, "a.jpg")} 1\n/x.jpg 0\n`);
  const { samples } = openList(list, { root: join(root, "sub"), classes: ["x", "y"] });
  assert.deepEqual(samples, [
    { file: join(root, "a.jpg"), label: 1 },
    { file: join(root, "sub", "x.jpg"), label: 0 },
  ]);
});

test("missing pictures are an error, unless they may be", (t) => {
  const { list, root } = listOf(t, "a.jpg 0\nb.jpg 1\nc.jpg 0\n", "c.jpg");
  const options = { root, classes: ["x", "y"] };
  refuses(
    () => openList(list, options),
    /3 pictures in /,
    /found: +1; the first that is missing is a\.jpg/,
    /`allowMissing`/,
  );
  const { samples, missing } = openList(list, { ...options, allowMissing: true });
  assert.deepEqual(samples, [{ file: join(root, "c.jpg"), label: 0 }]);
  assert.equal(missing, 2);
  refuses(() => openList(list, { ...options, root: join(root, "elsewhere"), allowMissing: true }), /check `data`/);
});

test("a list that cannot be used is refused with its line", (t) => {
  const open = (text: string) => {
    const { list, root } = listOf(t, text, "a.jpg", "b.jpg");
    return () => openList(list, { root, classes: ["x", "y"] });
  };
  refuses(open("a.jpg 0\nb.jpg\n"), /list\.txt, line 2: this is not a line of a list/, /found: +b\.jpg/);
  refuses(open("a.jpg zero\n"), /not a line of a list/);
  refuses(open("a.jpg -1\n"), /not a line of a list/);
  refuses(open("a.jpg 2\n"), /no class of this number/, /0 to 1/, /found: +2/);
  refuses(open("a.jpg 0\nb.jpg 1\na.jpg 0\n"), /line 3: a picture is listed twice/);
  refuses(open("\n"), /the list is empty/);
  const nowhere = () => openList("nowhere.txt", { root: ".", classes: ["x"] });
  assert.throws(nowhere, {
    code: "io",
    message: /nowhere\.txt: the list cannot be read\s+found: +there is no such file/,
  });
});

test("the original's list, of which nineteen photographs are here", needsShared("imagenet", "photos"), () => {
  const file = sharedData("imagenet", "ILSVRC2017_val.txt");
  const root = sharedData("imagenet", "photos");
  const classes = Array.from({ length: 1000 }, (_, i) => `class ${i}`);
  const { samples, missing } = openList(file, { root, classes, allowMissing: true });
  assert.equal(samples.length, 19);
  assert.equal(missing, 49_981);
});
