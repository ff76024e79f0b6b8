import assert from "node:assert/strict";
import { test } from "node:test";
import { extensionOf, isPictureName } from "./format.ts";

test("names of pictures, in any case", () => {
  for (const name of ["a.jpg", "a.JPEG", "a.b.Png", "a.webp", "a.jfif", "a.jpe", "a.TIF", "a.gif", "a\n.jpg"]) {
    assert.ok(isPictureName(name), name);
  }
  for (const name of ["a.heic", "jpg", "a.jpg.txt", "a", ".jpg", "a.", "folder.jpg/a"]) {
    assert.ok(!isPictureName(name), name);
  }
});

test("the end of a name", () => {
  assert.equal(extensionOf("folder.d/a.B.CsV"), ".csv");
  for (const name of ["folder.d/a", ".hidden", "a.", ""]) assert.equal(extensionOf(name), "", name);
});
