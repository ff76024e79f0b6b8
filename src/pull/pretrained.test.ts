import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../tests/command.ts";
import { knownFiles } from "./addresses.ts";
import { pretrained } from "./pretrained.node.ts";

/** With an empty cache, in the environment's place. */
async function inCache(run: (cache: string) => Promise<void>): Promise<void> {
  const before = process.env.SENET_CACHE;
  const cache = temporaryFolder();
  process.env.SENET_CACHE = cache;
  try {
    await run(cache);
  } finally {
    if (before === undefined) delete process.env.SENET_CACHE;
    else process.env.SENET_CACHE = before;
  }
}

test("the library has it too, and what it names opens there", () =>
  inCache(async () => {
    const { load, pretrained } = await import("senet/node");
    const { name, reason } = await pretrained("se-resnet-20");
    assert.match(reason, /no weights of se-resnet-20 are known/);
    await using network = await load(name);
    assert.equal(network.labels.length, 10);
  }));

test("pulled weights come first, of the model that is named; then released ones; then the package's own", () =>
  inCache(async (cache) => {
    const put = (name: string) => writeFileSync(join(cache, knownFiles.get(name)!.file), "");
    const nameOf = async (model?: string) => (await pretrained(model)).name;
    mkdirSync(cache, { recursive: true });
    assert.deepEqual(await pretrained(undefined), {
      name: "imagenette",
      reason: "the network in the package, since nothing has been pulled (senet pull lists what there is)",
    });
    assert.equal(await nameOf("se-resnet-50"), "se-resnet-50");
    assert.equal(await nameOf("se-resnet-18"), "se-resnet-18.timm-legacy");
    assert.match(
      (await pretrained("se-resnet-20")).reason,
      /in the package, since no weights of se-resnet-20 are known/,
    );

    put("se-resnet-50.timm-a1");
    assert.equal(await nameOf(), "se-resnet-50.timm-a1");
    assert.equal(await nameOf("se-resnet-50"), "se-resnet-50.timm-a1");
    assert.equal(await nameOf("se-resnet-18"), "se-resnet-18.timm-legacy");
    // Another file of the same network is no other network.
    put("se-resnet-50.cadene");
    assert.equal(await nameOf(), "se-resnet-50.cadene");

    put("senet-154");
    await assert.rejects(pretrained(undefined), /several networks have been pulled[\s\S]*senet-154[\s\S]*`weights` /);
    assert.equal(await nameOf("senet-154"), "senet-154");
  }));
