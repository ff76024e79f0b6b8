/**
 * The README does what it says. Its shell blocks are run line by line: `npx senet ...` here and now, in a folder that has
 * the demo's pictures (few of them); what starts with `npm ci &&` takes minutes, so there only its parts are looked up.
 */

import assert from "node:assert/strict";
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { writeDemoPictures } from "../src/demo/write.node.ts";
import { runNode, senet, temporaryFolder } from "./command.ts";
import { writeDrawnPictures } from "./drawn.ts";
import { blocksOf, shellLines } from "./readme.ts";
import { root } from "./support.ts";

const lines = shellLines();

const folder = temporaryFolder();
before(async () => {
  await writeDemoPictures(join(folder, "runs", "demo", "pictures"), { trainPerClass: 6, valPerClass: 1, size: 48 });
});

for (const line of lines) {
  test(`README: ${line}`, async () => {
    if (line.startsWith("npm ci && ")) await lookUp(line.slice("npm ci && ".length));
    else if (line.startsWith("npx senet ")) await runHere(line.slice("npx senet ".length));
    else assert.fail("a shell line of the README starts with `npx senet` or `npm ci &&`, so that this test can run it");
  });
}

async function lookUp(command: string): Promise<void> {
  const [program, name, ...rest] = command.split(" ");
  if (program === "npm") {
    const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: object };
    assert.ok(Object.hasOwn(scripts, name!), `package.json has no script "${name}"`);
  } else {
    assert.equal(`${program} ${name}`, "npx senet");
    assert.equal((await senet([...rest, "--help"])).code, 0);
  }
}

async function runHere(args: string): Promise<void> {
  const { code, stdout, stderr } = await senet(args.split(" "), { cwd: folder });
  assert.equal(code, 0, stderr);
  assert.ok(stdout !== "" || args.startsWith("train"), "it says something");
}

test("README: the library's example runs", async () => {
  const [example, ...others] = blocksOf("ts");
  assert.deepEqual(others, []);
  const here = join(folder, "library");
  const [picture] = writeDrawnPictures(join(here, "pictures"));
  copyFileSync(picture!, join(here, "cat.jpg"));
  // As it stands, but for a network and a run that a test can afford, and `await using`, which Node 20 does not know.
  const changes = [
    ['"se-resnet-18", epochs: 20', '"se-resnet-8", epochs: 1, batchSize: 6'],
    ["await using network", "const network"],
    // What the name of the package stands for once it is installed.
    ['from "senet/node"', `from ${JSON.stringify(new URL("../src/index.node.js", import.meta.url).href)}`],
  ] as const;
  const code = changes.reduce((text, [from, to]) => {
    assert.ok(text.includes(from), `the example has no ${from}`);
    return text.replace(from, to);
  }, example!);
  writeFileSync(join(here, "example.mjs"), code);
  const { code: exit, stdout, stderr } = await runNode(["example.mjs"], { cwd: here });
  assert.equal(exit, 0, stderr);
  assert.match(stdout, /^((blue|green|red) [\d.e-]+\n){3}$/);
  assert.ok(existsSync(join(here, "runs", "first", "best.safetensors")));
});
