import assert from "node:assert/strict";
import { test } from "node:test";
import { csv, errorsByClass } from "./per-class.ts";

test("errors class by class, without the classes that have no pictures", () => {
  const outcomes = [
    { label: 2, rank: 0 },
    { label: 0, rank: 5 },
    { label: 2, rank: 1 },
    { label: 2, rank: 7 },
    { label: 2, rank: 4 },
  ];
  assert.deepEqual(errorsByClass(outcomes, ["ant", "bee", "cat"]), [
    { label: "ant", images: 1, top1Error: 100, top5Error: 100 },
    { label: "cat", images: 4, top1Error: 75, top5Error: 25 },
  ]);
});

test("cells with commas, quotes and line breaks are quoted", () => {
  assert.equal(
    csv(
      ["a", "b"],
      [
        ["kit fox, Vulpes", 1.5],
        ['the "x"', "two\nlines"],
      ],
    ),
    'a,b\n"kit fox, Vulpes",1.5\n"the ""x""","two\nlines"\n',
  );
});
