// The decoder of baseline JPEGs beside sharp's, which golden.test.ts holds to Pillow; and the reduced sizes beside Pillow's.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import sharp, { type JpegOptions } from "sharp";
import { golden, needsShared, sharedData } from "../../tests/support.ts";
import { createRandom, type Random } from "../random.ts";
import { decodeBytes } from "./decode.node.ts";
import { decodeJpeg, type Reduction } from "./jpeg.ts";
import type { Box, Picture } from "./resize.ts";
import { useKernels } from "./wasm.ts";

interface Reduced {
  readonly file: string;
  readonly reduction: Reduction;
  readonly size: readonly [number, number];
  readonly sha256: string;
}

const expected: { readonly reduced: readonly Reduced[]; readonly photos: readonly { reduced: readonly Reduced[] }[] } =
  JSON.parse(readFileSync(golden("images.json"), "utf8"));

async function sharpsPicture(bytes: Uint8Array): Promise<Picture> {
  useKernels(false);
  try {
    return await decodeBytes(bytes, "picture.jpg");
  } finally {
    useKernels(true);
  }
}

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

function partOf({ width, data }: Picture, box: Box): Uint8Array {
  const rows = Array.from({ length: box.height }, (_, y) => {
    const start = 3 * ((box.top + y) * width + box.left);
    return data.subarray(start, start + 3 * box.width);
  });
  return Buffer.concat(rows);
}

function randomBox({ width, height }: Pick<Picture, "width" | "height">, random: Random): Box {
  const [w, h] = [1 + random.below(width), 1 + random.below(height)];
  return { left: random.below(width - w + 1), top: random.below(height - h + 1), width: w, height: h };
}

/** A picture with smooth parts, edges and noise, so that blocks of every kind are there. */
function scene(width: number, height: number, random: Random): Picture {
  const data = new Uint8Array(3 * width * height);
  const flat = random.below(256);
  for (let i = 0; i < data.length; i++) {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    const kind = (Math.floor(x / 19) + Math.floor(y / 23)) % 4;
    data[i] = [flat, 3 * x + y * (1 + (i % 3)), random.below(256), x % 5 < 2 ? 250 : 3][kind]! & 255;
  }
  return { width, height, data };
}

const encoded = ({ width, height, data }: Picture, options: JpegOptions): Promise<Buffer> =>
  sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg(options)
    .toBuffer();

test("pictures, and any parts of them, have libjpeg's bytes", async () => {
  for (let i = 0; i < 60; i++) {
    const random = createRandom(1, i);
    const picture = scene(5 + random.below(70), 5 + random.below(70), random);
    const options = {
      quality: [30, 75, 95, 100][random.below(4)]!,
      chromaSubsampling: ["4:2:0", "4:4:4"][random.below(2)]!,
      optimiseCoding: random.below(2) === 0,
    };
    const bytes = await encoded(picture, options);
    const wanted = await sharpsPicture(bytes);
    const what = `${picture.width}×${picture.height} ${JSON.stringify(options)}`;
    const found = decodeJpeg(bytes);
    assert.ok(found !== undefined, `${what}: not decoded`);
    assert.deepEqual([found.width, found.height], [picture.width, picture.height]);
    assert.ok(same(found.data, wanted.data), `${what}: differs`);
    for (let k = 0; k < 5; k++) {
      const box = randomBox(picture, random);
      const part = decodeJpeg(bytes, { box })!;
      assert.ok(same(part.data, partOf(wanted, box)), `${what}: ${JSON.stringify(box)} differs`);
    }
  }
});

test("memory is used again only where the pixels are wanted for a short time", async () => {
  const bytes = await encoded(scene(40, 30, createRandom(3)), { quality: 90 });
  const [kept, other] = [decodeJpeg(bytes)!, decodeJpeg(bytes)!];
  assert.notEqual(kept.data.buffer, other.data.buffer);
  const [first, second] = [decodeJpeg(bytes, { isBrief: true })!, decodeJpeg(bytes, { isBrief: true })!];
  assert.equal(first.data.buffer, second.data.buffer);
  assert.ok(same(second.data, kept.data));
  // What is too large for that has memory of its own.
  const large = await encoded({ width: 2400, height: 2400, data: new Uint8Array(3 * 2400 * 2400) }, { quality: 50 });
  const [a, b] = [decodeJpeg(large, { isBrief: true })!, decodeJpeg(large, { isBrief: true })!];
  assert.notEqual(a.data.buffer, b.data.buffer);
});

test("every JPEG among the golden pictures is decoded as by sharp, or left to it", async () => {
  const left: string[] = [];
  for (const file of readdirSync(golden("images")).filter((name) => /\.jpe?g$/i.test(name))) {
    const bytes = readFileSync(golden("images", file));
    const found = decodeJpeg(bytes);
    if (found === undefined) left.push(file);
    else assert.ok(same(found.data, (await sharpsPicture(bytes)).data), `${file} differs`);
  }
  assert.deepEqual(left.sort(), [
    ...["adobe-rgb.jpg", "cmyk-adobe.jpg", "cmyk-plain.jpg", "cmyk-progressive.jpg", "one-pixel.jpg"],
    ...["png-called.jpg", "restarts.jpg", "rgb-410.jpg", "rgb-411.jpg", "rgb-440.jpg", "rgb-mixed.jpg"],
    ...["rgb-progressive.jpg", "separate-scans.jpg", "webp-called.JPG", "ycck.jpg"],
  ]);
});

function assertReduced(file: string, { reduction, size, sha256 }: Reduced): void {
  const bytes = readFileSync(file);
  const whole = decodeJpeg(bytes, { reduction })!;
  assert.deepEqual([whole.width, whole.height], size, `${file} / ${reduction}`);
  assert.equal(createHash("sha256").update(whole.data).digest("hex"), sha256, `${file} / ${reduction}`);
  const random = createRandom(2, size[0], size[1]);
  for (let k = 0; k < 5; k++) {
    const box = randomBox(whole, random);
    const part = decodeJpeg(bytes, { reduction, box })!;
    assert.ok(same(part.data, partOf(whole, box)), `${file} / ${reduction}: ${JSON.stringify(box)}`);
  }
}

test("a half, a quarter and an eighth of the size are libjpeg's, and parts of them", () => {
  // Colours that stand at every second column are repeated there, not interpolated: left to others.
  const isRepeated = ({ file, reduction }: Reduced) => file === "rgb-422.jpg" && reduction === 8;
  for (const entry of expected.reduced) {
    if (isRepeated(entry)) assert.equal(decodeJpeg(readFileSync(golden("images", entry.file)), entry), undefined);
    else assertReduced(golden("images", entry.file), entry);
  }
});

test("photographs at reduced sizes", needsShared("imagenet", "photos"), () => {
  for (const entry of expected.photos.flatMap(({ reduced }) => reduced)) {
    assertReduced(sharedData("imagenet", "photos", entry.file), entry);
  }
});

test("restarts are obeyed, one missing is noticed", async () => {
  for (const [components, interval] of [
    [1, 1],
    [1, 3],
    [3, 2],
    [3, 7],
  ] as const) {
    const bytes = firstCoefficients(components, interval, createRandom(4, components, interval));
    const found = decodeJpeg(bytes);
    assert.ok(found !== undefined, `${components} components, restarts after ${interval}`);
    assert.ok(same(found.data, (await sharpsPicture(bytes)).data), `restarts after ${interval}`);
    const at = bytes.findIndex((byte, i) => byte === 0xff && bytes[i + 1] === 0xd1);
    assert.equal(decodeJpeg(Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 2)])), undefined);
  }
});

/** A JPEG of 40×24 pixels whose blocks are flat, with a marker after so many units. */
function firstCoefficients(components: 1 | 3, interval: number, random: Random): Uint8Array {
  const segment = (marker: number, ...body: number[]) => [0xff, marker, 0, body.length + 2, ...body];
  const out = [0xff, 0xd8, ...segment(0xdb, 0, ...new Array<number>(64).fill(8))];
  const frame = Array.from({ length: components }, (_, i) => [i + 1, i === 0 && components === 3 ? 0x22 : 0x11, 0]);
  out.push(...segment(0xc0, 8, 0, 24, 0, 40, components, ...frame.flat()));
  // First coefficients: sizes 0 to 7, three bits each but the last. Others: only the end of the block.
  out.push(...segment(0xc4, 0, 0, 0, 7, 1, ...new Array<number>(12).fill(0), 0, 1, 2, 3, 4, 5, 6, 7));
  out.push(...segment(0xc4, 0x10, 1, ...new Array<number>(15).fill(0), 0), ...segment(0xdd, 0, interval));
  const scan = Array.from({ length: components }, (_, i) => [i + 1, 0]);
  out.push(...segment(0xda, components, ...scan.flat(), 0, 63, 0));
  let bits = "";
  const flush = () => {
    bits += "1".repeat((8 - (bits.length % 8)) % 8);
    for (const byte of bits.match(/.{8}/g) ?? [])
      out.push(Number.parseInt(byte, 2), ...(byte === "11111111" ? [0] : []));
    bits = "";
  };
  const units = components === 1 ? 15 : 6;
  for (let unit = 0; unit < units; unit++) {
    if (unit > 0 && unit % interval === 0) {
      flush();
      out.push(0xff, 0xd0 + ((unit / interval - 1) % 8));
    }
    for (let block = 0; block < (components === 1 ? 1 : 6); block++) {
      const size = random.below(8);
      bits += size < 7 ? size.toString(2).padStart(3, "0") : "1110";
      if (size > 0)
        bits += random
          .below(2 ** size)
          .toString(2)
          .padStart(size, "0");
      bits += "0";
    }
  }
  flush();
  return Uint8Array.from([...out, 0xff, 0xd9]);
}

test("what is damaged is left to sharp, or comes out as sharp has it", async () => {
  const random = createRandom(5);
  const bytes = await encoded(scene(60, 50, random), { quality: 85 });
  let left = 0;
  for (let i = 0; i < 150; i++) {
    const damaged = Buffer.from(bytes);
    for (let k = 0; k <= random.below(3); k++) damaged[20 + random.below(damaged.length - 20)] = random.below(256);
    const cut = random.below(4) === 0 ? damaged.subarray(0, random.below(damaged.length)) : damaged;
    const found = decodeJpeg(cut);
    if (found === undefined) {
      left++;
      continue;
    }
    // It throws where even sharp gives up.
    const wanted = await sharpsPicture(cut);
    assert.ok(same(found.data, wanted.data), `damage ${i}`);
  }
  assert.ok(left > 20 && left < 140, `${left} left to sharp`);
});

test("without kernels nothing is decoded here; a box beyond the picture is refused", () => {
  const bytes = readFileSync(golden("images", "square.jpg"));
  useKernels(false);
  assert.equal(decodeJpeg(bytes), undefined);
  useKernels(true);
  assert.throws(() => decodeJpeg(bytes, { box: { left: 90, top: 0, width: 10, height: 1 } }), /is not within the/);
});
