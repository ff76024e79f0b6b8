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
  assert.deepEqual(errorsByClass(outcomes, ["ant", "bee", "cat", "dog", "eel", "fox"]), [
    { label: "ant", images: 1, top1Error: 100, top5Error: 100 },
    { label: "cat", images: 4, top1Error: 75, top5Error: 25 },
  ]);
  const few = errorsByClass(outcomes, ["ant", "bee", "cat", "dog", "eel"]);
  assert.deepEqual(
    few.map(({ top5Error }) => top5Error),
    [null, null],
    "below six classes it says nothing",
  );
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

test("a label cannot be a formula of the spreadsheet that opens the table; our own numbers stay numbers", () => {
  const labels = [
    '=HYPERLINK("http://x","y")',
    "+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "  =1",
    "＝1",
    "plain-1",
    "a=b",
  ];
  assert.equal(
    csv(["label", "difference"], [...labels.map((label) => [label, 14.000000000000002]), ["x", -0.5]]),
    [
      "label,difference",
      `"'=HYPERLINK(""http://x"",""y"")",14`,
      ...[
        "'+1,14",
        "'-2+3,14",
        "'@SUM(A1),14",
        "'\t=1,14",
        `"'\r=1",14`,
        "'  =1,14",
        "'＝1,14",
        "plain-1,14",
        "a=b,14",
        "x,-0.5",
        "",
      ],
    ].join("\n"),
  );
});
