/** A caffemodel of SENet-154's size: as fast as reading the file allows, and in little more memory than it takes. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { proto } from "../../tests/weights.ts";

/** What a process of its own does, so that its peak of memory is that of reading alone. */
const program = `
  const { readFile } = await import("node:fs/promises");
  const { parseCaffemodel } = await import(process.argv[1]);
  const start = performance.now();
  const bytes = await readFile(process.argv[2]);
  const read = performance.now();
  const before = process.cpuUsage();
  const { layers } = parseCaffemodel(bytes, "large");
  const { user, system } = process.cpuUsage(before);
  let floats = 0;
  let views = 0;
  let sum = 0;
  for (const { blobs: [{ data }] } of layers) {
    floats += data.length;
    if (data.buffer === bytes.buffer) views++;
    sum += data[0] + data.at(-1);
  }
  const { maxRSS } = process.resourceUsage();
  console.log(JSON.stringify({ read: read - start, parse: (user + system) / 1000, peak: maxRSS * 1024, floats, views, sum, layers: layers.length }));
`;

/** The floats of SENet-154's file (docs/networks.md, 1.5), in as many layers as it has with weights. */
const floats = 115_336_693;
const layers = 572;

function write(path: string): number {
  const file = openSync(path, "w");
  let size = 0;
  let left = floats;
  for (let i = 0; i < layers; i++) {
    const count = i === layers - 1 ? left : Math.floor(floats / layers) + (i % 7) - 3;
    left -= count;
    const values = new Float32Array(count).fill(0.5);
    values[0] = i;
    const data = new Uint8Array(values.buffer);
    // Names of different lengths put the floats at every offset modulo four.
    const name = `layer${"_".repeat(i % 4)}${i}`;
    const layer = proto([
      [
        100,
        [
          [1, name],
          [2, "Convolution"],
          [
            7,
            [
              [7, [[1, { packed: [count] }]]],
              [5, data],
            ],
          ],
        ],
      ],
    ]);
    writeSync(file, layer);
    size += layer.length;
  }
  return size;
}

test("a 461 MB caffemodel loads in twice the reading time plus 2 s, in 2.5 times its size", (context) => {
  const folder = mkdtempSync(join(tmpdir(), "senet-large-"));
  try {
    const path = join(folder, "large.caffemodel");
    const size = write(path);
    assert.ok(size > 461_000_000);
    const reader = new URL("../formats/caffemodel.js", import.meta.url).href;
    const output = execFileSync(process.execPath, ["--input-type=module", "-e", program, reader, path], {
      encoding: "utf8",
    });
    const found = JSON.parse(output);
    context.diagnostic(
      `${Math.round(found.read)} ms to read, ${Math.round(found.parse)} ms to parse, ` +
        `peak ${(found.peak / size).toFixed(2)} times the file, ${found.views} of ${layers} blobs are views`,
    );
    assert.equal(found.layers, layers);
    assert.equal(found.floats, floats);
    assert.equal(found.sum, (layers * (layers - 1)) / 2 + 0.5 * layers);
    assert.ok(found.views > layers / 8, `${found.views} views`);
    // Of the processor's time, which other tests beside this one do not change: parsing waits for nothing.
    assert.ok(found.parse <= found.read + 2000, `${found.parse} ms to parse after ${found.read} ms to read`);
    assert.ok(found.peak < 2.5 * size, `peak of ${found.peak} bytes for ${size}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
