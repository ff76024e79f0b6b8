/** `senet serve`: what is wrong with its arguments is said before it listens. */

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { senetHere, temporaryFolder } from "./command.ts";
import { tinyWeights } from "./serve.ts";

const folder = temporaryFolder();
mkdirSync(join(folder, "root"));

const refused = async (args: readonly string[], code: number, words: RegExp) => {
  const ran = await senetHere(["serve", ...args]);
  assert.match(ran.stderr, words);
  assert.deepEqual([ran.code, ran.stdout], [code, ""]);
  assert.doesNotMatch(ran.stderr, /bug in senet|\n +at /);
};

test("weight files elsewhere than below --root are refused", () =>
  refused(
    ["--weights", tinyWeights(3), "--root", join(folder, "root")],
    2,
    /not below the folder that networks are served from/,
  ));

test("two networks of one name are refused, and how they are named is said", () =>
  refused(
    ["--weights", `a=${tinyWeights(3)}`, `a=${tinyWeights(4)}`],
    2,
    /same name[\s\S]*--weights a=FILE other=FILE/,
  ));

test("weights that are not there are said as everywhere", () =>
  refused(["--weights", "x=se-resent-50"], 2, /no released weights of that name[\s\S]*se-resnet-50/));

test("an executor that is not there is said before anything is opened", () =>
  refused(["--executor", "otr"], 2, /no executor "otr"/));

test("an origin is said as browsers say it", async () => {
  const wrong = (origin: string, words: RegExp) => refused(["--allow-origin", origin], 2, words);
  await wrong("example.org", /expected an origin such as https:\/\/example\.org/);
  await wrong("https://example.org/", /Did you mean https:\/\/example\.org\?/);
  await wrong("HTTPS://Example.org:443", /Did you mean https:\/\/example\.org\?/);
});
