import assert from "node:assert/strict";
import { homedir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { cacheFolder } from "../files/cache.node.ts";
import { graphCost } from "../ir/cost.ts";
import { inferenceGraph, model, zoo } from "../zoo/index.ts";
import { knownFiles } from "./addresses.ts";

test("every network whose errors were published has its authors' file", () => {
  for (const [name, { published }] of zoo) {
    if (published === undefined) continue;
    assert.equal(knownFiles.get(name)?.source, "hujie-frank/SENet", name);
    assert.equal(knownFiles.get(name)?.format, "caffemodel", name);
  }
});

test("names are those of networks that there are, with the port behind the dot", () => {
  for (const name of knownFiles.keys()) assert.ok(zoo.has(name.split(".")[0]!), name);
});

test("addresses are addresses, and hashes are hashes", () => {
  const full = { sha256: 64, sha384: 96 };
  for (const [name, { addresses, hash, bytes, file }] of knownFiles) {
    assert.ok(addresses.length > 0, name);
    for (const address of addresses) assert.match(new URL(address).protocol, /^https?:$/, name);
    if (hash !== undefined) {
      assert.match(hash.hex, /^[0-9a-f]+$/, name);
      const isPrefix = hash.hex.length === 8 && file.includes(`-${hash.hex}.`);
      assert.ok(isPrefix || hash.hex.length === full[hash.algorithm], name);
    }
    if (bytes !== undefined) assert.ok(bytes > 1e7 && Number.isInteger(bytes), name);
    // What arrives unencrypted must be checked.
    if (addresses.some((address) => address.startsWith("http:"))) assert.ok(hash !== undefined, name);
  }
  const files = [...knownFiles.values()].map(({ file }) => file);
  assert.equal(new Set(files).size, files.length, "two files under one name");
});

test("files are as large as their networks' float32 values, and a little more", () => {
  for (const [name, { bytes }] of knownFiles) {
    if (bytes === undefined) continue;
    const graph = inferenceGraph(model(name.split(".")[0]!), { batch: 1, imageSize: 64 });
    const ratio = bytes / (4 * graphCost(graph).values);
    assert.ok(ratio > 1 && ratio < 1.002, `${name}: ${ratio}`);
  }
});

test("the cache is where the system wants it", () => {
  assert.equal(cacheFolder({ SENET_CACHE: "/a", XDG_CACHE_HOME: "/b" }, "linux"), "/a");
  assert.equal(cacheFolder({ SENET_CACHE: "", XDG_CACHE_HOME: "/b" }, "linux"), join("/b", "senet"));
  assert.equal(cacheFolder({}, "linux"), join(homedir(), ".cache", "senet"));
  assert.equal(cacheFolder({}, "darwin"), join(homedir(), "Library", "Caches", "senet"));
  assert.equal(cacheFolder({ LOCALAPPDATA: "/local" }, "win32"), join("/local", "senet", "cache"));
});
