import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Command } from "commander";
import { root } from "../../tests/support.ts";
import { option, SenetError } from "../errors.ts";
import { flags, withFlags } from "./flags.ts";
import { addConfigOptions } from "./train-config.ts";

test("the options in a message become flags, and nothing else changes", () => {
  const { message } = new SenetError("usage", "too large", {
    where: option("batchSize"),
    hint: `a smaller ${option("batchSize")}, or ${option("learningRate")} 0.1; see \`ulimit -n\`, \`constructor\``,
  });
  assert.match(message, /^`batchSize`: too large/);
  assert.equal(
    withFlags(message),
    "--batch-size: too large\n  try:      a smaller --batch-size, or --lr 0.1; see `ulimit -n`, `constructor`",
  );
});

test("each of them is a flag of a command", () => {
  const commands = [join("src", "cli", "options.ts"), join("src", "cli", "preprocessing.ts")];
  for (const file of readdirSync(join(root, "src", "cli", "commands"), { recursive: true, encoding: "utf8" })) {
    if (file.endsWith(".ts")) commands.push(join("src", "cli", "commands", file));
  }
  const code = commands.map((file) => readFileSync(join(root, file), "utf8")).join("\n");
  const train = new Command();
  addConfigOptions(train);
  const derived = new Set(train.options.map(({ long }) => long));
  for (const flag of Object.values(flags)) assert.ok(derived.has(flag) || RegExp(`"${flag}[ ",]`).test(code), flag);
});
