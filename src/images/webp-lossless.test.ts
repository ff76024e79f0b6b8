/** Lossless WebP by our own code, which browsers use: the pixels of libwebp, and nothing of files that are not sound. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { PictureFault } from "./fault.ts";
import { sharp } from "./sharp.node.ts";
import { decodeVp8l } from "./webp-lossless.ts";

/** Smooth, noisy and of few colours, in parts, so that blocks want codes and predictors of their own. */
function drawn(width: number, height: number, colours: number): Uint8Array {
  const data = new Uint8Array(4 * width * height);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += 4) {
      const noise = Math.abs(Math.sin((y * width + x) * 12.9898) * 43758.5453) % 1;
      const isNoisy = Math.floor((3 * x) / width) === 1;
      const smooth = [200 + 50 * Math.sin(x / 9), 120 + 100 * Math.sin((x + y) / 23), (3 * y) & 255, 255 - x];
      for (let k = 0; k < 4; k++) {
        const value = isNoisy ? 255 * noise : smooth[k]! + 3 * noise;
        data[at + k] = colours === 0 ? value : 255 * Math.floor((value / 256) * colours);
      }
    }
  }
  return data;
}

async function encoded(width: number, height: number, colours: number, effort: number, nearLossless = false) {
  const raw = { width, height, channels: 4 } as const;
  const picture = sharp()(drawn(width, height, colours), { raw });
  const file = await picture.webp({ lossless: true, nearLossless, quality: 60, exact: true, effort }).toBuffer();
  const expected = await sharp()(file).ensureAlpha().raw().toBuffer();
  return { body: bodyOf(file), expected };
}

function bodyOf(file: Buffer): Uint8Array {
  const at = file.indexOf("VP8L");
  return new Uint8Array(file.subarray(at + 8, at + 8 + file.readUInt32LE(at + 4)));
}

test("lossless pictures of every effort and of few colours have libwebp's pixels, and their alpha", async () => {
  for (const [width, height, colours, efforts] of [
    [150, 101, 0, [0, 3, 6]],
    [1, 1, 0, [4]],
    [1, 37, 0, [4]],
    [67, 3, 0, [1]],
    [61, 47, 1, [4]],
    [61, 47, 2, [0, 4]],
    [61, 47, 3, [4]],
    [200, 90, 6, [6]],
  ] as const) {
    for (const effort of efforts) {
      for (const nearLossless of effort === 3 ? [false, true] : [false]) {
        const { body, expected } = await encoded(width, height, colours, effort, nearLossless);
        const picture = decodeVp8l(body);
        assert.deepEqual([picture.width, picture.height], [width, height]);
        const found = [...picture.argb].flatMap((p) => [(p >>> 16) & 255, (p >>> 8) & 255, p & 255, p >>> 24]);
        assert.ok(
          expected.every((value, i) => value === found[i]),
          `${width} × ${height} of ${colours}, effort ${effort}`,
        );
      }
    }
  }
});

test("what is cut off is refused, and damaged bits decode to something or are refused: nothing else happens", async () => {
  const { body } = await encoded(61, 47, 0, 4);
  for (let length = 0; length < body.length - 2; length += 31)
    assert.throws(() => decodeVp8l(body.subarray(0, length)), PictureFault, `${length} bytes`);
  let seed = 1;
  const next = (below: number) => {
    seed = (seed * 48271) % 2147483647;
    return seed % below;
  };
  const words = new Set<string>();
  for (let round = 0; round < 300; round++) {
    const bytes = body.slice();
    // Not the size, which is looked at before.
    for (let i = 0; i < 1 + next(4); i++) bytes[5 + next(round % 2 === 0 ? 40 : bytes.length - 5)] = next(256);
    try {
      assert.equal(decodeVp8l(bytes).argb.length, 61 * 47);
    } catch (error) {
      assert.ok(error instanceof PictureFault, `${round}: ${error}`);
      words.add(error.message);
    }
  }
  assert.ok(words.size >= 4, [...words].join("; "));
});
