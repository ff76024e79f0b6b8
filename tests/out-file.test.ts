/** A command's result does not replace what the command reads, whatever name it is given. */

import assert from "node:assert/strict";
import { linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { checkedOnnx } from "../src/api/onnx.node.ts";
import { checkKeeps } from "../src/cli/out-file.ts";
import { colourClasses, colourInput, colourNetwork, drawPicture, writeCheckpoint } from "./colours.ts";
import { senetHere, temporaryFolder } from "./command.ts";

const folder = temporaryFolder();
const at = (...path: string[]) => join(folder, ...path);

before(async () => {
  const network = colourNetwork(colourClasses, colourInput.rgb);
  writeCheckpoint(at("net.safetensors"), network);
  writeFileSync(at("net.onnx"), (await checkedOnnx(network, "net.onnx")).bytes);
  linkSync(at("net.safetensors"), at("hard.safetensors"));
  symlinkSync("net.safetensors", at("soft.safetensors"));
  symlinkSync(".", at("elsewhere"));
  for (const name of colourClasses) {
    mkdirSync(at("pictures", name), { recursive: true });
    for (const i of [0, 1]) await drawPicture(at("pictures", name, `${i}.png`), [200, 20, 20]);
  }
});

const picture = `pictures/${colourClasses[0]}/0.png`;
const weights = "--weights net.safetensors";
const commands: readonly (readonly [args: string, read: string])[] = [
  ...["net", "./net", "hard", "soft", "elsewhere/net"].map(
    (name) => [`convert net.safetensors ${name}.safetensors --dtype float16`, "net.safetensors"] as const,
  ),
  ["convert soft.safetensors net.safetensors", "net.safetensors"],
  ["convert net.onnx net.onnx", "net.onnx"],
  ["export --weights net.onnx --out elsewhere/net.onnx", "net.onnx"],
  [`quantize ${weights} --data pictures --out hard.safetensors`, "net.safetensors"],
  [`prune ${weights} --data pictures --remove layer1.0 --out soft.safetensors`, "net.safetensors"],
  [`evaluate ${weights} --data pictures --per-class net.safetensors`, "net.safetensors"],
  [`explain ${picture} ${weights} --out ${picture}`, picture],
  [`data preview pictures --val-split 0.5 --out elsewhere/${picture}`, picture],
];

for (const [args, read] of commands) {
  test(`senet ${args}`, async () => {
    const old = readFileSync(at(read));
    const ran = await senetHere(args.split(" "), { cwd: folder });
    assert.equal(ran.code, 2, ran.stderr);
    assert.match(ran.stderr, /this would replace a file that is read[\s\S]*another (--out|--per-class|name)/);
    assert.deepEqual(readFileSync(at(read)), old);
  });
}

test("other files may be replaced, and names that are no files are not read", () => {
  writeFileSync(at("old.safetensors"), "");
  checkKeeps(at("old.safetensors"), [at("net.safetensors"), "se-resnet-50"], "another --out");
  checkKeeps(at("new.safetensors"), [at("net.safetensors")], "another --out");
  assert.throws(
    () => checkKeeps(at("hard.safetensors"), [at("net.safetensors")], "another --out"),
    /found: +the same file as .*net\.safetensors/,
  );
});
