import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { golden } from "../../tests/support.ts";
import { openFolder } from "../data/folder.node.ts";
import { augment } from "../images/augment.ts";
import { decodePicture } from "../images/decode.node.ts";
import { sheetOf } from "../images/sheet.ts";
import { shownInput } from "../images/shown.ts";
import { createRandom } from "../random.ts";
import { trainingConfig } from "./config.ts";
import { trainingTransformOf } from "./pictures.ts";
import { previewRows } from "./preview.node.ts";

const root = mkdtempSync(join(tmpdir(), "senet-preview-"));
after(() => rmSync(root, { recursive: true }));
for (const [name, file] of [
  ["ant", "rgb.png"],
  ["ant", "wide.jpg"],
  ["bee", "tall.jpg"],
  ["bee", "square.jpg"],
] as const) {
  mkdirSync(join(root, name), { recursive: true });
  cpSync(golden("images", file), join(root, name, file));
}
writeFileSync(join(root, "bee", "a-broken.jpg"), "no picture");
const dataset = openFolder(root);

test("rows: the picture, and what training makes of it, with the same seeds; a bad picture is told, another comes", async () => {
  const config = trainingConfig({ imageSize: 16, rotate: 10, pixelJitter: 20, reprob: 0.5, seed: 4 });
  const bad: string[] = [];
  const rows = await previewRows(dataset, config, {
    ...{ pictures: 2, variants: 3, onFailure: ({ file }) => void bad.push(file) },
  });
  assert.deepEqual(bad, [join(root, "bee", "a-broken.jpg")]);
  assert.deepEqual(
    rows.map(({ className, cells }) => [className, cells.length]),
    [
      ["ant", 4],
      ["bee", 4],
    ],
  );
  const transform = trainingTransformOf(config);
  for (const [row, { sample, cells }] of rows.entries()) {
    const picture = await decodePicture(sample.file);
    const input = new Float32Array(3 * 16 * 16);
    augment(picture, transform, createRandom(4, 1, 2, row), input);
    assert.deepEqual(cells[3], shownInput(input, 16, transform.normalization));
  }
});

test("mixed rows have a part of each other", async () => {
  const plain = { imageSize: 16, cropScale: 1, cropRatio: [1, 1], mirror: false };
  const at = (config: object) =>
    previewRows(dataset, trainingConfig(config), { pictures: 2, variants: 1, onFailure: () => {} });
  const [alone, mixed] = [await at(plain), await at({ ...plain, cutmix: 1, seed: 3 })];
  const [first, second] = alone.map(({ cells }) => cells[1]!.data);
  let taken = 0;
  for (const [i, byte] of mixed[0]!.cells[1]!.data.entries()) {
    if (byte === first![i]) continue;
    taken++;
    assert.equal(byte, second![i], "a byte is of one or the other");
  }
  assert.ok(taken > 30 && taken < 700, `${taken} bytes of 768`);
});

test("a sheet has its rows below each other, and gaps", () => {
  const square = (value: number) => ({ width: 2, height: 2, data: new Uint8Array(12).fill(value) });
  const sheet = sheetOf([
    [square(1), square(2)],
    [square(3), square(4)],
  ]);
  assert.deepEqual([sheet.width, sheet.height], [24, 16]);
  const at = (x: number, y: number) => sheet.data[3 * (y * sheet.width + x)];
  assert.deepEqual([at(0, 0), at(4, 4), at(18, 4), at(4, 10), at(19, 11), at(10, 4)], [255, 1, 2, 3, 4, 255]);
});
