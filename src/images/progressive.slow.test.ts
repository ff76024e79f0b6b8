// Progressive JPEGs, which sharp decodes, damaged in all ways: a picture of the size that its header says, or a reason.

import assert from "node:assert/strict";
import { test } from "node:test";
import sharp from "sharp";
import { SenetError } from "../errors.ts";
import { createRandom } from "../random.ts";
import { openBytes } from "./decode.node.ts";

test("damaged progressive JPEGs are decoded as their headers have them, or refused with a reason", async () => {
  let refused = 0;
  const count = 600;
  for (let i = 0; i < count; i++) {
    const random = createRandom(11, i);
    const [width, height] = [8 + random.below(60), 8 + random.below(60)];
    const data = Uint8Array.from({ length: 3 * width * height }, (_, k) =>
      random.below(4) === 0 ? random.below(256) : 5 * k,
    );
    const chromaSubsampling = random.below(2) === 0 ? "4:4:4" : "4:2:0";
    const bytes = await sharp(data, { raw: { width, height, channels: 3 } })
      .jpeg({ progressive: true, quality: [20, 75, 95][random.below(3)]!, chromaSubsampling })
      .toBuffer();
    for (let k = random.below(4); k >= 0; k--) bytes[2 + random.below(bytes.length - 2)] = random.below(256);
    const damaged = random.below(5) === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes;
    try {
      const opened = openBytes(damaged, "picture.jpg");
      const picture = await opened.decode();
      assert.equal(picture.data.length, 3 * picture.width * picture.height);
      if (opened.size) assert.deepEqual([picture.width, picture.height], [opened.size.width, opened.size.height]);
    } catch (error) {
      assert.ok(error instanceof SenetError && error.code === "data", `${i}: ${error}`);
      assert.match(error.message, /picture\.jpg/);
      refused++;
    }
  }
  assert.ok(refused > count / 10 && refused < count, `${refused} of ${count} refused`);
});
