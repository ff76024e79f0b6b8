/** The README's commands and links are those that there are; readme.slow.test.ts runs them. */

import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Command } from "commander";
import { programOf } from "../src/cli/main.ts";
import { readme, shellLines } from "./readme.ts";
import { root } from "./support.ts";

const lines = shellLines();

test("the README has the two commands that a visitor starts with, and the ones for their own pictures", () => {
  assert.ok(lines.includes("npm ci && npx senet demo"));
  assert.ok(lines.includes("npm ci && npm test"));
  for (const command of ["train", "evaluate", "classify", "models", "benchmark", "doctor"]) {
    assert.ok(
      lines.some((line) => line.startsWith(`npx senet ${command}`)),
      `no line of the README shows senet ${command}`,
    );
  }
});

/** What is not known of a line that follows `npx senet`: commands and options by name, and values that options want. */
function unknownIn(words: readonly string[], program: Command): readonly string[] {
  let command = program;
  const unknown: string[] = [];
  for (const [i, word] of words.entries()) {
    const inner = command.commands.find((one) => one.name() === word);
    if (inner !== undefined) command = inner;
    else if (i === 0) unknown.push(word);
    if (!word.startsWith("-")) continue;
    const option = command.options.find(({ long, short }) => long === word || short === word);
    if (option === undefined) unknown.push(word);
    else if (option.required && (words[i + 1] ?? "--").startsWith("--")) unknown.push(`${word} (no value)`);
  }
  return unknown;
}

test("README: its commands and their options are there", () => {
  const program = programOf();
  assert.deepEqual(unknownIn(["trian", "--help"], program), ["trian", "--help"]);
  assert.deepEqual(unknownIn(["data", "check", "--htlm", "page.html"], program), ["--htlm"]);
  assert.deepEqual(unknownIn(["train", "--data", "--out", "run"], program), ["--data (no value)"]);
  for (const line of lines) {
    const [, command] = /(?:^| && )npx senet (.*)$/.exec(line) ?? [];
    if (command !== undefined) assert.deepEqual(unknownIn(command.split(" "), program), [], line);
    else assert.match(line, /^npm ci && npm /);
  }
});

test("README: every folder and file that it links to is there, and the tour misses no part", () => {
  const links = [...readme.matchAll(/\]\((?!https?:|#)([^)\s]+)\)/g)].map((match) => match[1]!);
  assert.ok(links.length > 10);
  assert.deepEqual(
    links.filter((link) => !existsSync(join(root, link))),
    [],
  );
  const parts = readdirSync(join(root, "src"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  assert.deepEqual(
    parts.map(({ name }) => `src/${name}`).filter((part) => !links.includes(part)),
    [],
  );
});
