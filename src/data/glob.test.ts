import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../tests/command.ts";
import { isPattern, matching } from "./glob.node.ts";

const folder = temporaryFolder();
const files = [
  ...[
    "a.jpg",
    "b.jpg",
    "b.png",
    "B.jpg",
    "ab.jpg",
    ".hidden.jpg",
    "[x].jpg",
    "é.jpg",
    "😀.jpg",
    "x+y(1).jpg",
    "c-d.jpg",
  ],
  ...["one/a.jpg", "one/two/a.jpg", "one/two/three/b.png", ".dot/a.jpg", "@eaDir/e/d.jpg"],
];
for (const file of files) {
  mkdirSync(join(folder, file, ".."), { recursive: true });
  writeFileSync(join(folder, file), "");
}
symlinkSync("..", join(folder, "one", "up"));

const match = (pattern: string) => matching(join(folder, pattern)).map((path) => path.slice(folder.length + 1));

test("patterns match what a shell matches", () => {
  // As bash 5 expands them in this folder, with globstar and in the C locale.
  const expected: Readonly<Record<string, readonly string[]>> = {
    "?.jpg": ["B.jpg", "a.jpg", "b.jpg", "é.jpg", "😀.jpg"],
    "[ab].jpg": ["a.jpg", "b.jpg"],
    "[!ab].jpg": ["B.jpg", "é.jpg", "😀.jpg"],
    "[^ab].jpg": ["B.jpg", "é.jpg", "😀.jpg"],
    "[a-c]*.jpg": ["a.jpg", "ab.jpg", "b.jpg", "c-d.jpg"],
    "[]x[]*.jpg": ["[x].jpg", "x+y(1).jpg"],
    "\\[x\\].jp?": ["[x].jpg"],
    "[[]*": ["[x].jpg"],
    "*+*(1).*": ["x+y(1).jpg"],
    "b.*": ["b.jpg", "b.png"],
    ".h*": [".hidden.jpg"],
    "*/a.jpg": ["one/a.jpg"],
    "one/*/a.jpg": ["one/two/a.jpg", "one/up/a.jpg"],
    "**/a.jpg": ["a.jpg", "one/a.jpg", "one/two/a.jpg"],
    "one/**/*.png": ["one/two/three/b.png"],
    "one/**/two/**/*": ["one/two/a.jpg", "one/two/three", "one/two/three/b.png"],
    "*.gif": [],
    // Here bash differs, which knows nothing of folders that a system hides.
    "**/d.jpg": [],
    "none/*.jpg": [],
    "a.jpg/*": [],
  };
  for (const [pattern, paths] of Object.entries(expected)) assert.deepEqual(match(pattern), paths, pattern);
});

test("names match in any Unicode form, and relative to this folder", () => {
  assert.deepEqual(match("e\u0301.*"), ["é.jpg"]);
  const before = process.cwd();
  process.chdir(folder);
  try {
    assert.deepEqual(matching("one/*.jpg"), ["one/a.jpg"]);
    assert.deepEqual(matching("./b.*"), ["b.jpg", "b.png"]);
    assert.deepEqual(matching("*.png"), ["b.png"]);
  } finally {
    process.chdir(before);
  }
});

test("what is a pattern", () => {
  for (const text of ["*.jpg", "a?", "[ab]", "**"]) assert.ok(isPattern(text), text);
  for (const text of ["a.jpg", "folder/", "", "a]b"]) assert.ok(!isPattern(text), text);
});
