import assert from "node:assert/strict";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { colourClasses, colourInput, colourNetwork, drawColours, writeCheckpoint } from "../../tests/colours.ts";
import { temporaryFolder } from "../../tests/command.ts";
import { load } from "./network.node.ts";

test("a network finds pictures in another class's folder", async () => {
  const root = join(temporaryFolder(), "pictures");
  await drawColours(root, 3);
  const weights = join(root, "..", "net.safetensors");
  writeCheckpoint(weights, colourNetwork([...colourClasses], colourInput.rgb));
  const [red, green] = colourClasses;
  copyFileSync(join(root, green, "2.png"), join(root, red, "wrong.png"));
  await using network = await load(weights, { executor: "reference" });
  for (const rank of ["normalized-margin", "self-confidence"] as const) {
    const { suspects, pictures } = await network.suspects(root, { workers: 1, rank });
    assert.equal(pictures, 10);
    assert.deepEqual(
      suspects.map(({ sample, label, guess }) => [sample.file, label, guess]),
      [[join(root, red, "wrong.png"), red, green]],
    );
  }
});
