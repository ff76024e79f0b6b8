import assert from "node:assert/strict";
import { test } from "node:test";
import { type ReportSuspects, renderSuspects, shownSuspects } from "./suspects.ts";

const suspect = (file: string) => ({
  ...{ sample: { file }, label: "<cat>", guess: "dog & co" },
  ...{ probability: 0.0312, margin: -0.9123 },
});
const part: ReportSuspects = {
  ...{ part: "train", pictures: 12_000, noise: 0.0512, finished: false },
  suspects: [suspect("1.jpg"), suspect("2.jpg")],
  confusions: [{ label: "<cat>", guess: "dog & co", count: 17 }],
};

test("the page shows each picture with its label and what it probably is", () => {
  const page = renderSuspects("pictures", [part], new Map([["1.jpg", "QUJD"]]));
  for (const text of [
    "2 of 12,000 labels",
    "about 5.1 %",
    "17 times",
    "3.1 % for its label",
    "margin -0.912",
    "was stopped",
  ]) {
    assert.ok(page.includes(text), text);
  }
  assert.equal(page.match(/<img/g)?.length, 1);
  assert.match(page, /data:image\/jpeg;base64,QUJD" alt="1\.jpg: labelled &lt;cat&gt;, probably dog &amp; co"/);
  assert.doesNotMatch(page, /<cat>/);
});

test("no more pictures than a page can show", () => {
  const many = { ...part, suspects: Array.from({ length: 1000 }, (_, i) => suspect(`${i}.jpg`)) };
  assert.equal(shownSuspects([many, many]).length, 600);
  assert.match(renderSuspects("pictures", [many], new Map()), /And 700 more\./);
});
