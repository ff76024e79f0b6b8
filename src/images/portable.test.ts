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

test("what is wrong among a JPEG's bits does what it does in libjpeg", async () => {
  const agree = async (bytes: Uint8Array, what: string) => {
    const expected = await decodeBytes(bytes, what);
    assert.deepEqual(decodeGeneralJpeg(bytes).data, new Uint8Array(expected.data), what);
  };
  const whole = file("rgb-420.jpg");
  for (const name of ["rgb-420.jpg", "rgb-progressive.jpg"]) {
    for (let back = 20; back < 400; back += 38) {
      const bytes = file(name);
      bytes[bytes.length - back] = bytes[bytes.length - back]! ^ 0x10;
      await agree(bytes, `${name}, ${back} bytes before its end`);
    }
  }
  // Its end mark comes too early: what is not there is grey.
  await agree(Buffer.concat([whole.subarray(0, whole.length / 2), Buffer.of(0xff, 0xd9)]), "early end");
  // Marks of restarts that are missing, early, late or one too many.
  const restarts = await sharp()(file("rgb-444.jpg")).jpeg({ chromaSubsampling: "4:4:4" }).toBuffer();
  const marked = withRestarts(restarts);
  const places = [...marked.keys()].filter((i) => marked[i] === 0xff && (marked[i + 1]! & 0xf8) === 0xd0);
  assert.ok(places.length > 8);
  await agree(marked, "restarts");
  const [, , third, fourth] = places as [number, number, number, number];
  await agree(Buffer.concat([marked.subarray(0, third), marked.subarray(third + 2)]), "one missing");
  for (let number = 0; number < 8; number++) {
    const other = Buffer.from(marked);
    other[third + 1] = 0xd0 + number;
    await agree(other, `restart ${number} in the place of 2`);
    const extra = [marked.subarray(0, fourth), Buffer.of(0xff, 0xd0 + number), marked.subarray(fourth)];
    await agree(Buffer.concat(extra), `restart ${number} before 3`);
  }
});

/**
 * The same scan as a file that says it has restarts, with marks put where they may stand: what is between them is no longer
 * what was meant, which is the same to every decoder.
 */
function withRestarts(jpeg: Uint8Array): Buffer {
  const scan = jpeg.findIndex((byte, i) => byte === 0xff && jpeg[i + 1] === 0xda);
  const start = scan + 2 + ((jpeg[scan + 2]! << 8) | jpeg[scan + 3]!);
  const parts: Uint8Array[] = [jpeg.subarray(0, scan), Buffer.of(0xff, 0xdd, 0, 4, 0, 3), jpeg.subarray(scan, start)];
  let from = start;
  for (let number = 0; from + 140 < jpeg.length; number++) {
    let end = from + 120;
    // Not within an escaped 0xff.
    while (jpeg[end - 1] === 0xff) end++;
    parts.push(jpeg.subarray(from, end), Buffer.of(0xff, 0xd0 + (number & 7)));
    from = end;
  }
  return Buffer.concat([...parts, jpeg.subarray(from)]);
}

test("components of one number are told apart by their order", async () => {
  const bytes = file("rgb-420.jpg");
  const at = (marker: number) => bytes.findIndex((byte, i) => byte === 0xff && bytes[i + 1] === marker);
  for (const i of [0, 1, 2]) {
    bytes[at(0xc0) + 10 + 3 * i] = 1;
    bytes[at(0xda) + 5 + 2 * i] = 1;
  }
  const expected = await decodeBytes(bytes, "ones");
  assert.deepEqual(decodeGeneralJpeg(bytes).data, new Uint8Array(expected.data));
});

test("a progressive JPEG whose last scans are missing is refused: libjpeg would smooth it over", async () => {
  const whole = file("rgb-progressive.jpg");
  const scans = [...whole.keys()].filter((i) => whole[i] === 0xff && whole[i + 1] === 0xda);
  const cut = Buffer.concat([whole.subarray(0, scans[2]), Buffer.of(0xff, 0xd9)]);
  assert.match(await fault(cut), /leave out details/);
});

test("JPEGs of other codes are named as such", async () => {
  const arithmetic = file("rgb-444.jpg");
  const frame = arithmetic.findIndex((byte, i) => byte === 0xff && arithmetic[i + 1] === 0xc0);
  for (const marker of [0xc3, 0xc9, 0xca]) {
    arithmetic[frame + 1] = marker;
    assert.match(await fault(arithmetic), /are not decoded/);
  }
  arithmetic[frame + 1] = 0xc1;
  arithmetic[frame + 4] = 12;
  assert.match(await fault(arithmetic), /samples of 12 bits are not decoded/);
});

/** A PNG 4 pixels wide around compressed rows, grey or with a palette. */
function png(compressed: Uint8Array, height = 2, palette?: Uint8Array | "none"): Uint8Array {
  const chunk = (kind: string, body: Uint8Array) => {
    const named = Buffer.concat([Buffer.from(kind), body]);
    const whole = Buffer.alloc(8 + named.length);
    whole.writeUInt32BE(body.length);
    whole.set(named, 4);
    whole.writeUInt32BE(crc32(named), whole.length - 4);
    return whole;
  };
  const head = Buffer.from([0, 0, 0, 4, 0, 0, 0, height, 8, palette === undefined ? 0 : 3, 0, 0, 0]);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk("IHDR", head),
    ...(palette instanceof Uint8Array ? [chunk("PLTE", palette)] : []),
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

test("a BMP that does not say where its pixels start has them behind its header, masks and palette", async () => {
  for (const name of ["rgb.bmp", "565.bmp", "palette.bmp", "black-white.bmp"]) {
    const bytes = readFileSync(golden("images", name));
    const { data } = await decodeBytes(bytes, name);
    bytes.writeUInt32LE(0, 10);
    assert.deepEqual((await decodeBytes(bytes, name)).data, data, name);
  }
});

test("colours beyond a palette are greys, as in Pillow", async () => {
  const rows = deflateSync(Buffer.from([0, 0, 1, 9, 200]));
  const [first, second] = [Buffer.of(7, 8, 9), Buffer.of(4, 5, 6)];
  const short = [...first, ...second, 9, 9, 9, 200, 200, 200];
  for (const [palette, expected] of [
    [Buffer.concat([first, second]), short],
    // A part of a colour is none.
    [Buffer.concat([first, second, Buffer.of(1)]), short],
    ["none", [0, 0, 0, 1, 1, 1, 9, 9, 9, 200, 200, 200]],
  ] as const) {
    const bytes = png(rows, 1, palette);
    assert.deepEqual([...(await decodePng(bytes)).data], expected);
    assert.deepEqual([...(await decodeBytes(bytes, "palette.png")).data], expected);
  }
  const gif = Buffer.from(
    "47494638396104000100800000070809040506" + // GIF89a, 4 × 1, two colours
      "2c000000000400010000" + // a frame
      "08",
    "hex",
  );
  const codes = [256, 0, 1, 9, 200, 257];
  let held = 0n;
  for (const [i, code] of codes.entries()) held |= BigInt(code) << BigInt(9 * i);
  const packed = Array.from({ length: 7 }, (_, i) => Number((held >> BigInt(8 * i)) & 255n));
  const frame = Buffer.concat([gif, Buffer.of(packed.length, ...packed, 0, 0x3b)]);
  assert.deepEqual([...(await decodeBytes(frame, "short.gif")).data], short);
  const bmp = Buffer.alloc(14 + 40 + 8 + 4);
  bmp.write("BM");
  for (const [value, at] of [
    [62, 10],
    [40, 14],
    [4, 18],
    [1, 22],
    [0x80001, 26],
    [2, 46],
  ] as const) {
    bmp.writeUInt32LE(value, at);
  }
  bmp.set([9, 8, 7, 0, 6, 5, 4, 0, 0, 1, 9, 200], 54);
  assert.deepEqual([...(await decodeBytes(bmp, "short.bmp")).data], short);
});

test("a BMP of 32 bits has its colours in the bytes that its masks name", async () => {
  const bmp = (...masks: number[]) => {
    const bytes = Buffer.alloc(14 + 40 + 12 + 4);
    bytes.write("BM");
    for (const [at, value] of Object.entries({ 10: 66, 14: 40, 18: 1, 22: 1, 26: 0x200001, 30: 3 })) {
      bytes.writeUInt32LE(value, Number(at));
    }
    for (const [i, mask] of masks.entries()) bytes.writeUInt32LE(mask, 54 + 4 * i);
    bytes.set([1, 2, 3, 4], 66);
    return decodeBytes(bytes, "masks.bmp");
  };
  assert.deepEqual([...(await bmp(0xff0000, 0xff00, 0xff)).data], [3, 2, 1]);
  assert.deepEqual([...(await bmp(0xff, 0xff00, 0xff0000)).data], [1, 2, 3]);
  assert.deepEqual([...(await bmp(0xff000000, 0xff0000, 0xff00)).data], [4, 3, 2]);
  await assert.rejects(bmp(0x3ff00000, 0xffc00, 0x3ff), /masks 3ff00000 ffc00 3ff is not decoded/);
  await assert.rejects(bmp(0xff, 0xff, 0xff0000), /is not decoded/);
});

test("pictures without pixels are refused", async () => {
  const bmp = (width: number, height: number) => {
    const bytes = Buffer.alloc(70);
    bytes.write("BM");
    for (const [at, value] of Object.entries({ 10: 54, 14: 40, 18: width, 22: height, 26: 0x180001 })) {
      bytes.writeInt32LE(value, Number(at));
    }
    return bytes;
  };
  const gif = Buffer.from("GIF89a\0\0\0\0\x80\0\0\0\0\0\0\0\0\x2c\0\0\0\0\0\0\0\0\0\x02\x02\x4c\x01\0\x3b", "latin1");
  const empty = [
    bmp(-5, 3),
    bmp(0, 3),
    bmp(3, 0),
    gif,
    ...["P5 0 5 255\n", "P4 0 1\n"].map((text) => Buffer.from(text)),
  ];
  for (const bytes of empty) await assert.rejects(decodeBytes(bytes, "empty"), /it has no pixels/);
});

test("comments of a PNM may be long", async () => {
  const bytes = Buffer.from(`P6 #${"x".repeat(3000)}\n1 1 255\nabc`);
  assert.deepEqual([...(await decodeBytes(bytes, "long.ppm")).data], [97, 98, 99]);
});
