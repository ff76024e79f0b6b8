import assert from "node:assert/strict";
import { test } from "node:test";
import { InvalidArgumentError } from "commander";
import { choiceOption, count, natural, real, realList } from "./options.ts";
import { clock, grouped, table } from "./output.ts";
import { quoted } from "./training.ts";

test("numbers of options are read strictly", () => {
  assert.equal(count("12"), 12);
  assert.equal(natural("0"), 0);
  assert.equal(real("1e-3"), 0.001);
  assert.deepEqual(realList("30,60.5,90"), [30, 60.5, 90]);
  for (const text of ["0", "-1", "1.5", "x", "", "1e400"]) assert.throws(() => count(text), InvalidArgumentError, text);
  for (const text of ["-1", "1.5", "x", "", " "]) assert.throws(() => natural(text), InvalidArgumentError, text);
  for (const text of ["", " ", "x", "NaN", "Infinity", "1,5"]) {
    assert.throws(() => real(text), InvalidArgumentError, text);
  }
  assert.throws(() => realList("30,,90"), InvalidArgumentError);
});

test("a wrong choice is answered with the choices and the nearest", () => {
  const option = choiceOption("--schedule <name>", "how the learning rate falls", ["cosine", "step"]);
  const parse = (text: string) => option.parseArg!(text, undefined as never);
  assert.equal(parse("step"), "step");
  assert.throws(() => parse("cosin"), /expected cosine, step\. \(Did you mean cosine\?\)/);
  assert.throws(() => parse("Step"), /Did you mean step\?/);
  assert.deepEqual(option.argChoices, ["cosine", "step"], "the help lists them");
});

test("a table has columns as wide as their widest cell, numbers to the right", () => {
  assert.equal(
    table(
      ["layer", "parameters"],
      [
        ["conv1", "9,408"],
        ["layer1.0.se.fc1", "16"],
        ["relu", ""],
      ],
    ),
    [
      "layer            parameters",
      "---------------  ----------",
      "conv1                 9,408",
      "layer1.0.se.fc1          16",
      "relu",
    ].join("\n"),
  );
});

test("numbers and times are written for people", () => {
  assert.equal(grouped(28088024), "28,088,024");
  assert.equal(clock(0), "0:00");
  assert.equal(clock(59.6), "1:00");
  assert.equal(clock(3723), "1:02:03");
  assert.equal(clock(-5), "0:00");
});

test("the command to resume can be pasted back into a shell", () => {
  assert.equal(quoted("runs/first-1"), "runs/first-1");
  assert.equal(quoted("my pictures"), "'my pictures'");
  assert.equal(quoted("it's"), "'it'\\''s'");
  assert.equal(quoted(""), "''");
  assert.equal(quoted("$HOME;rm"), "'$HOME;rm'");
});
