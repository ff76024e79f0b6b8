/** That the demo's pictures have to be looked at. */

import assert from "node:assert/strict";
import { test } from "node:test";
import sharp from "sharp";
import { classNames } from "./draw.ts";
import { renderScene } from "./write.node.ts";

test("the mean colour of a picture does not tell its class", async () => {
  // Nearest mean colour of the class, learnt from one half and tried on the other: near chance (1 in 12).
  const colours = await Promise.all(
    classNames.map((name, label) =>
      Promise.all(
        Array.from({ length: 24 }, async (_, i) => {
          const picture = sharp(await renderScene(name, [3, label, i], 32));
          return [...(await picture.resize(1, 1, { fit: "fill" }).raw().toBuffer())];
        }),
      ),
    ),
  );
  const half = 12;
  const means = colours.map((list) =>
    [0, 1, 2].map((c) => list.slice(0, half).reduce((sum, v) => sum + v[c]!, 0) / half),
  );
  let right = 0;
  for (const [label, list] of colours.entries()) {
    for (const colour of list.slice(half)) {
      const distances = means.map((mean) => Math.hypot(...mean.map((value, c) => value - colour[c]!)));
      if (distances.indexOf(Math.min(...distances)) === label) right++;
    }
  }
  const share = right / (classNames.length * half);
  assert.ok(share < 0.3, `${share}`);
});
