import assert from "node:assert/strict";
import { test } from "node:test";
import type { CheckedPicture, DataHealth } from "../data/health.ts";
import { renderHealth, shownPictures } from "./health.ts";

const picture = (part: string, name: string, file: string): CheckedPicture => ({
  ...{ part, class: name },
  sample: { file, label: 0 },
});

const spread = { min: 8, median: 500.5, max: 4288 };
const health: DataHealth = {
  data: "pictures <of> pets",
  parts: ["train", "val"].map((part) => ({
    ...{ part, root: `pictures/${part}`, pictures: 1200, bad: 1, mean: [0.1, 0.2, 0.3], deviation: [0.4, 0.5, 0.6] },
    classes: [{ name: "<script>", pictures: 1200, bad: 1 }],
    ...{ width: spread, height: spread, aspect: { min: 0.5, median: 1.333333, max: 2 } },
  })),
  bad: [{ ...picture("train", "<script>", "cut.jpg"), reason: "the JPEG picture is truncated" }],
  copies: [
    [picture("train", "a", "1.jpg"), picture("train", "a", "2.jpg")],
    [picture("train", "a", "3.jpg"), picture("val", "b", "4.jpg")],
  ],
  similar: [{ val: picture("val", "a", "5.jpg"), train: picture("train", "a", "6.jpg"), likeness: 0.987 }],
  remarks: ["test/ is used"],
  faults: ["1 picture cannot be decoded"],
  finished: true,
};

test("the page has the numbers, the pictures that are there, and nothing that breaks out of its text", () => {
  const page = renderHealth(health, new Map([["3.jpg", "QUJD"]]));
  for (const text of ["1,200", "8, 500.5, 4288", "0.5, 1.333, 2", "0.1000, 0.2000, 0.3000", "0.4000, 0.5000, 0.6000"]) {
    assert.ok(page.includes(text), text);
  }
  for (const text of ["the JPEG picture is truncated", "98.7 % alike", "test/ is used"])
    assert.ok(page.includes(text), text);
  assert.ok(page.includes("pictures &lt;of&gt; pets") && page.includes("&lt;script&gt;") && !page.includes("<script"));
  assert.match(page, /<img src="data:image\/jpeg;base64,QUJD" alt="3.jpg"/);
  assert.equal(page.match(/<img/g)?.length, 1);
  // What is wrong comes before what is only double.
  assert.ok(page.indexOf("4.jpg") < page.indexOf("1.jpg"));
  assert.match(page, /Content-Security-Policy" content="default-src 'none'/);
});

test("pictures are wanted of pairs and groups, of no more than a page can show", () => {
  const files = (data: DataHealth) => shownPictures(data).map(({ sample }) => sample.file);
  assert.deepEqual(files(health), ["3.jpg", "4.jpg", "1.jpg", "2.jpg", "5.jpg", "6.jpg"]);
  const group = Array.from({ length: 5000 }, (_, i) => picture("train", "a", `${i}.jpg`));
  const many: DataHealth = {
    ...health,
    copies: Array.from({ length: 300 }, () => group),
    similar: Array.from({ length: 300 }, () => health.similar[0]!),
    bad: Array.from({ length: 3000 }, () => health.bad[0]!),
  };
  assert.equal(files(many).length, 100 * 6 + 100 * 2);
  const page = renderHealth(many, new Map());
  assert.match(page, /And 200 more\./);
  assert.match(page, /And 2,000 more\./);
  assert.ok(page.length < 600_000);
});

test("a sound data set, and one that was not looked through, say so", () => {
  const sound = { ...health, faults: [], bad: [], copies: [], similar: [] };
  assert.match(renderHealth(sound, new Map()), /Nothing is wrong\./);
  assert.match(
    renderHealth({ ...sound, finished: false }, new Map()),
    /Nothing wrong was found so far\.[\s\S]*was stopped/,
  );
});
