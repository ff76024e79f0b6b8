import assert from "node:assert/strict";
import { test } from "node:test";
import { packageFacts } from "../version.node.ts";
import { version } from "./version.ts";

test("the page's version is the package's", () => {
  assert.equal(version, packageFacts().version);
});
