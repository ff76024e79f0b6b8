/** PNGs and JPEGs of all kinds by our own code, which browsers use: Pillow's bytes, and nothing of files that are not sound. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { deflateSync } from "node:zlib";
import { crc32 } from "../../tests/crc32.ts";
import { assertDecoded, decodedPictures } from "../../tests/golden-pictures.ts";
import { golden } from "../../tests/support.ts";
import { decodeBytes } from "./decode.node.ts";
import { PictureFault } from "./fault.ts";
import { formatOf } from "./format.ts";
import { decodeGeneralJpeg } from "./jpeg-general/decode.ts";
import { decodePng } from "./png.ts";
import type { Picture } from "./resize.ts";
import { sharp } from "./sharp.node.ts";

const file = (name: string): Uint8Array<ArrayBuffer> => new Uint8Array(readFileSync(golden("images", name)));

async function decoded(bytes: Uint8Array): Promise<Picture> {
  return formatOf(bytes) === "PNG" ? decodePng(bytes) : decodeGeneralJpeg(bytes);
}

const isOurs = (name: string) => ["PNG", "JPEG"].includes(formatOf(file(name)) ?? "");

test("every kind of PNG and JPEG decodes to Pillow's bytes", async (t) => {
  const ours = decodedPictures.filter((one) => isOurs(one.file));
  assert.ok(ours.length >= 50, `${ours.length} pictures`);
  for (const one of ours) await t.test(one.file, async () => assertDecoded(await decoded(file(one.file)), one));
});

test("JPEGs of other sizes and encoders decode as by sharp", async () => {
  const random = (index: number) => Math.abs(Math.sin(index * 12.9898) * 43758.5453) % 1;
  for (const [width, height] of [
    [3, 2],
    [17, 16],
    [50, 33],
  ] as const) {
    const data = Uint8Array.from(
      { length: 3 * width * height },
      (_, i) => 128 + 100 * Math.sin(i / 40) + 27 * random(i),
    );
    const raw = sharp()(data, { raw: { width, height, channels: 3 } });
    for (const options of [
      { quality: 100, progressive: true, chromaSubsampling: "4:4:4" },
      { quality: 30, progressive: true, optimiseScans: true, trellisQuantisation: true },
      { quality: 1, progressive: true },
      { quality: 75, mozjpeg: true },
    ]) {
      const bytes = await raw.clone().jpeg(options).toBuffer();
      const expected = await decodeBytes(bytes, "sharp's");
      assert.deepEqual(
        decodeGeneralJpeg(bytes),
        { ...expected, data: new Uint8Array(expected.data) },
        JSON.stringify(options),
      );
    }
  }
});

const fault = async (bytes: Uint8Array): Promise<string> =>
  decoded(bytes).then(
    () => assert.fail("decoded"),
    (error: unknown) => {
      assert.ok(error instanceof PictureFault, String(error));
      return error.message;
    },
  );

test("what is cut off is refused wherever it is cut", async () => {
  for (const name of ["rgb-420.jpg", "rgb-progressive.jpg", "cmyk-adobe.jpg", "separate-scans.jpg"]) {
    const whole = file(name);
    for (let length = 3; length < whole.length - 1; length += 13) {
      assert.match(await fault(whole.subarray(0, length)), /ends within the picture/, `${name}, ${length} bytes`);
    }
  }
  for (const name of ["rgb.png", "interlaced.png", "palette-16.png"]) {
    const whole = file(name);
    for (let length = 8; length < whole.length; length += 13) {
      assert.match(await fault(whole.subarray(0, length)), /ends within the picture/, `${name}, ${length} bytes`);
    }
  }
});

test("damaged files decode to something of the right size or are refused, and nothing else happens", async () => {
  let seed = 1;
  const next = (below: number) => {
    seed = (seed * 48271) % 2147483647;
    return seed % below;
  };
  for (const name of [
    "rgb-progressive.jpg",
    "restarts.jpg",
    "cmyk-progressive.jpg",
    "rgb-mixed.jpg",
    "palette-16.png",
  ]) {
    const whole = file(name);
    for (let round = 0; round < 60; round++) {
      const bytes = whole.slice();
      // Not the frame's size, which is looked at before.
      for (let i = 0; i < 1 + next(4); i++) bytes[200 + next(bytes.length - 200)] = next(256);
      try {
        const { width, height, data } = await decoded(bytes);
        assert.equal(data.length, 3 * width * height);
      } catch (error) {
        assert.ok(error instanceof PictureFault, `${name}, ${round}: ${String(error)}`);
      }
    }
  }
});

test("one byte that is wrong among a JPEG's bits stays where it is, as in libjpeg", async () => {
  const bytes = file("rgb-progressive.jpg");
  bytes[bytes.length - 300] = bytes[bytes.length - 300]! ^ 0x10;
  const expected = await decodeBytes(bytes, "damaged");
  assert.deepEqual(decodeGeneralJpeg(bytes).data, new Uint8Array(expected.data));
});

test("JPEGs of other codes are named as such", async () => {
  const arithmetic = file("rgb-444.jpg");
  const frame = arithmetic.findIndex((byte, i) => byte === 0xff && arithmetic[i + 1] === 0xc0);
  for (const marker of [0xc3, 0xc9, 0xca]) {
    arithmetic[frame + 1] = marker;
    assert.match(await fault(arithmetic), /not decoded|only Huffman/);
  }
  arithmetic[frame + 1] = 0xc1;
  arithmetic[frame + 4] = 12;
  assert.match(await fault(arithmetic), /samples of 12 bits are not decoded/);
});

/** A grey PNG of 4 × 2 pixels around compressed rows. */
function png(compressed: Uint8Array, height = 2): Uint8Array {
  const chunk = (kind: string, body: Uint8Array) => {
    const named = Buffer.concat([Buffer.from(kind), body]);
    const whole = Buffer.alloc(8 + named.length);
    whole.writeUInt32BE(body.length);
    whole.set(named, 4);
    whole.writeUInt32BE(crc32(named), whole.length - 4);
    return whole;
  };
  const head = Buffer.from([0, 0, 0, 4, 0, 0, 0, height, 8, 0, 0, 0, 0]);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk("IHDR", head),
    chunk("IDAT", compressed),
    chunk("tEXt", Buffer.from("a\0b")),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

test("a PNG's rows: filters undone, what is behind them passed over, too few refused, checksums looked at", async () => {
  const rows = Buffer.from([...[1, 10, 1, 1, 1], ...[4, 1, 1, 1, 1]]);
  const grey = (picture: Picture) => [...picture.data].filter((_, i) => i % 3 === 0);
  const expected = [...[10, 11, 12, 13], ...[11, 12, 13, 14]];
  assert.deepEqual(grey(await decodePng(png(deflateSync(rows)))), expected);
  assert.deepEqual(grey(await decodePng(png(Buffer.concat([deflateSync(rows), Buffer.alloc(9, 7)])))), expected);
  assert.match(await fault(png(deflateSync(rows), 3)), /fewer pixels than it says/);
  assert.match(await fault(png(Buffer.alloc(20, 1))), /do not decompress/);
  assert.match(await fault(png(deflateSync(Buffer.from([9, 0, 0, 0, 0, 0, 0, 0, 0, 0])))), /no filter 9/);
  const damaged = png(deflateSync(rows));
  damaged[44] = damaged[44]! ^ 1;
  assert.match(await fault(damaged), /the checksum of its IDAT chunk is wrong/);
});
