import assert from "node:assert/strict";
import { mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../tests/command.ts";
import { encodeSafetensors } from "../formats/safetensors-write.ts";
import { weightsFile } from "./named.node.ts";

/** In a folder of its own, with a cache of its own. */
async function inFolder(work: (folder: string, cache: string) => Promise<void>): Promise<void> {
  const before = { folder: process.cwd(), cache: process.env.SENET_CACHE };
  const [folder, cache] = [temporaryFolder(), temporaryFolder()];
  process.chdir(folder);
  process.env.SENET_CACHE = cache;
  try {
    await work(folder, cache);
  } finally {
    process.chdir(before.folder);
    if (before.cache === undefined) delete process.env.SENET_CACHE;
    else process.env.SENET_CACHE = before.cache;
  }
}

test("weights are a file first, then a name in the cache", async () => {
  await inFolder(async (folder, cache) => {
    // One of which no hash is known.
    const name = "se-resnet-50.timm-a1";
    const cached = join(cache, "seresnet50.a1_in1k.safetensors");
    writeFileSync(cached, Buffer.concat(encodeSafetensors(new Map(), new Map())));
    assert.equal(await weightsFile(name), cached);
    writeFileSync(join(folder, name), "");
    assert.equal(await weightsFile(name), name);
    // Another file under a released name is found out before it is used.
    writeFileSync(join(cache, "SE-ResNet-50.caffemodel"), "<html><title>Not here</title></html>");
    await assert.rejects(
      weightsFile("se-resnet-50"),
      /not the released file[\s\S]*web page[\s\S]*senet pull se-resnet-50, with `force`/,
    );
    // A checkpoint of TensorFlow's has its files behind a prefix.
    writeFileSync(join(folder, "model.ckpt-7.index"), "");
    assert.equal(await weightsFile("model.ckpt-7"), "model.ckpt-7");
    // A path that does not exist is left to the reader, whose error is about it.
    for (const path of ["runs/best.safetensors", "best.safetensors", "C:\\w", "./se-resnet-101"])
      assert.equal(await weightsFile(path), path);
  });
});

test("the package's own network is named too: a file comes first, a folder is the pictures of that name", async () => {
  await inFolder(async (folder) => {
    const own = await weightsFile("imagenette").catch((error: unknown) => error);
    // Where it is not there yet, the error is about the file that comes with the package.
    if (typeof own === "string") assert.ok(own.endsWith(join("weights", "imagenette.safetensors")));
    else assert.match(String(own), /the network of the package is not here/);
    mkdirSync(join(folder, "imagenette"));
    assert.deepEqual(String(await weightsFile("imagenette").catch((error: unknown) => error)), String(own));
    rmdirSync(join(folder, "imagenette"));
    writeFileSync(join(folder, "imagenette"), "");
    assert.equal(await weightsFile("imagenette"), "imagenette");
    await assert.rejects(weightsFile("imagenet"), /no such file[\s\S]*imagenette/);
  });
});

test("a name of neither is an error with the nearest names", async () => {
  await inFolder(async () => {
    await assert.rejects(weightsFile("se-resnet-5O"), /no such file[\s\S]*se-resnet-50[\s\S]*senet pull lists all/);
    await assert.rejects(weightsFile("se-resnet-50.cadena"), /no such file[\s\S]*try: +se-resnet-50.cadene/);
  });
});
