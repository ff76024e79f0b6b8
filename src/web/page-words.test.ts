import assert from "node:assert/strict";
import { test } from "node:test";
import { SenetError } from "../errors.ts";
import { zooEntry } from "../zoo/index.ts";
import { sentError } from "./error-to-page.ts";
import { pageHint, pageLine } from "./page-words.ts";
import { receivedError } from "./sent-error.ts";

test("hints name what a page has; ways that only Node has are left out", async () => {
  assert.equal(pageHint("`model` se-resnet-18, or leave out `weights`"), "`model` se-resnet-18");
  assert.equal(pageHint("`executor` onednn or `executor` reference"), undefined);
  assert.equal(pageHint("`executor` onednn, or npm install onnxruntime-node"), undefined);
  assert.equal(
    pageHint("give the file too; or give the means: `mean`"),
    "give the file too, or give the means: `preprocessing.mean`",
  );
  assert.equal(pageHint("se-resnet-18 (senet models lists all)"), "se-resnet-18");
  assert.equal(pageHint("bring it to the right size"), "bring it to the right size");
  assert.equal(pageLine("the file has more (`state` NAME chooses)"), "the file has more");
});

test("an error of the library comes to the page in its words", async () => {
  const error = (() => {
    try {
      return zooEntry("se-resnet-19");
    } catch (error) {
      return error;
    }
  })();
  assert.ok(error instanceof SenetError);
  assert.match(error.message, /senet models/);
  const received = receivedError(structuredClone(await sentError(error)));
  assert.match(received.message, /se-resnet-18/);
  assert.doesNotMatch(received.message, /senet models/);
});
