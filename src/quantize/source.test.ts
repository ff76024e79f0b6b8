import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { colourClasses, colourInput, colourNetwork } from "../../tests/colours.ts";
import { temporaryFolder } from "../../tests/command.ts";
import { copyOf } from "../tensor.ts";
import { checkSource, movedTo, sourceBeside, sourceOf } from "./source.node.ts";

const folder = temporaryFolder();
const network = colourNetwork(colourClasses, colourInput.rgb);

test("a source is found from where its network in eight bits lies, and known by its weights", () => {
  const path = join(folder, "float.safetensors");
  writeFileSync(path, "");
  const source = sourceOf(network, path);
  assert.equal(source.file, path);
  mkdirSync(join(folder, "out"));
  const out = join(folder, "out", "int8.safetensors");
  const quantization = { layers: [], scales: {}, method: "mse", images: 1, source };
  const moved = movedTo(out, { ...network, quantization }).quantization!.source!;
  assert.equal(moved.file, "../float.safetensors");
  assert.equal(sourceBeside(out, moved), path);
  assert.equal(sourceBeside(path, moved), undefined, "from elsewhere there is none");
  assert.equal(sourceBeside(out, { ...moved, file: ".." }), undefined, "a folder is none");
  checkSource(network, moved, path);
  const [name, weight] = [...network.weights][0]!;
  const other = copyOf(weight);
  other.data[0]! += 1;
  const changed = { ...network, weights: new Map([...network.weights, [name, other]]) };
  assert.throws(() => checkSource(changed, moved, path), /was not made from these weights/);
  assert.throws(() => checkSource(network, undefined, path), /does not say/);
});

test("released weights stay known by their name", () => {
  const source = sourceOf(network, "se-resnet-50");
  assert.equal(source.file, "se-resnet-50");
  const quantization = { layers: [], scales: {}, method: "mse", images: 1, source };
  assert.equal(movedTo("a/b.safetensors", { ...network, quantization }).quantization!.source!.file, "se-resnet-50");
});
