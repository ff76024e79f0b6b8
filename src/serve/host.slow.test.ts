/** What a server's networks took is given back to the system when they are closed. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { cFunction } from "../c-library.node.ts";
import { Host } from "./host.node.ts";

const file = fileURLToPath(new URL("../../../weights/imagenette.safetensors", import.meta.url));

const trim = cFunction("int malloc_trim(size_t keptBytes)");

test("memory of closed networks does not stay in the allocator", {
  skip: trim === undefined && "only glibc's allocator keeps it",
}, async () => {
  const host = new Host(1e6);
  try {
    for (let i = 0; i < 4; i++) {
      await host.load(`${i}`, { files: [file], options: { threads: 1 }, batch: "auto" });
      if (i > 0) await host.drop(`${i - 1}`);
    }
    const before = process.memoryUsage.rss();
    trim!(0);
    const kept = (before - process.memoryUsage.rss()) / 2 ** 20;
    assert.ok(kept < 50, `${kept.toFixed(0)} MiB were free and kept`);
  } finally {
    await host.close();
  }
});
