"""Draws small pictures of every kind that a data folder may hold, and records what Pillow and torchvision make of them.

    python3 golden/make_images.py        (Pillow 9.4, numpy 1.24, torch 1.13, torchvision 0.14, cjpeg of libjpeg-turbo 2.1)

Writes golden/images/ (the pictures) and golden/images.json:

    decode    file → mode, size, and the SHA-256 of `Image.open(file).convert("RGB")` as bytes
    reduced   file, reduction → the SHA-256 at 1/2, 1/4 and 1/8 of the size (`draft`)
    resize    file, box, size, filter → the SHA-256 of `crop(box).resize(size, filter)`
    input     file, resize, crop, filter → SHA-256 of the bytes after Resize and CenterCrop, and of the float32 input
    boxes     how torchvision's RandomResizedCrop.get_params spreads: mean and deviation of area and log ratio, fallbacks
    photos    the same three for the photographs in ../shared/data/imagenet/photos, where they are (hashes only)
"""

import hashlib
import io
import json
import struct
import subprocess
import sys
import tempfile
import warnings
import zlib
from pathlib import Path

import numpy as np
import PIL
import torch
import torchvision
from PIL import Image, ImageFile
from torchvision import transforms
from torchvision.transforms import InterpolationMode

GOLDEN = Path(__file__).resolve().parent
IMAGES = GOLDEN / "images"
PHOTOS = GOLDEN.parent.parent / "shared" / "data" / "imagenet" / "photos"
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
MODES = {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]

warnings.simplefilter("ignore")  # Pillow on palettes with transparency


def drawn(width, height, seed):
    """Smooth colour, hard edges and noise: overshoot, rounding and chroma all have something to do."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    u, v = x / max(width - 1, 1), y / max(height - 1, 1)
    picture = np.stack([255 * u, 255 * v, 127 * (1 + np.sin(9 * u + 7 * v))], -1)
    disc = (u - 0.4) ** 2 + (v - 0.55) ** 2 < 0.06
    picture[disc] = rng.integers(0, 256, 3)
    stripes = (x // 3 + y // 5) % 4 == 0
    picture[stripes & (u > 0.6)] = [255, 255, 255]
    picture[stripes & (v > 0.7)] = [0, 0, 0]
    picture += rng.normal(0, 6, picture.shape)
    return picture.clip(0, 255).astype(np.uint8)


def png(width, height, depth, color_type, rows, extra=()):
    """A PNG that Pillow itself cannot write: 16-bit colour, for example."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    body = [chunk(b"IHDR", head), *(chunk(*c) for c in extra), chunk(b"IDAT", data), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def without_segment(jpeg, marker):
    """The JPEG without the segments of this marker."""
    out, at = bytearray(jpeg[:2]), 2
    while jpeg[at + 1] != 0xDA:
        length = 2 + struct.unpack(">H", jpeg[at + 2 : at + 4])[0]
        if jpeg[at + 1] != marker:
            out += jpeg[at : at + length]
        at += length
    return bytes(out + jpeg[at:])


def saved(picture, kind, **options):
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def cjpeg(picture, *options, scans=None):
    """A JPEG of a kind that Pillow does not write."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as script:
        script.write(scans or "")
        script.flush()
        chosen = ["-scans", script.name] if scans else []
        run = subprocess.run(["cjpeg", *options, *chosen], input=saved(picture, "PPM"), capture_output=True, check=True)
    return run.stdout


def pictures():
    """name → bytes"""
    rgb = Image.fromarray(drawn(61, 47, 0))
    wide = drawn(41, 29, 1)
    alpha = np.linspace(0, 255, 41 * 29).reshape(29, 41).astype(np.uint8)
    rgba = Image.fromarray(np.dstack([wide, alpha]), "RGBA")
    ink = np.dstack([drawn(45, 33, 2), drawn(45, 33, 3)[..., 0]])
    palette = Image.fromarray(wide).quantize(200)
    files = {}

    # JPEG: subsampling, progression, grey, orders of ink, a side that is no multiple of 8 or 16.
    for name, subsampling in [("444", 0), ("422", 1), ("420", 2)]:
        files[f"rgb-{name}.jpg"] = saved(rgb, "JPEG", quality=85, subsampling=subsampling)
    files["rgb-progressive.jpg"] = saved(rgb, "JPEG", quality=60, progressive=True)
    files["rgb-low.JPEG"] = saved(rgb, "JPEG", quality=10)
    files["grey.jpg"] = saved(rgb.convert("L"), "JPEG", quality=85)
    files["wide.jpg"] = saved(Image.fromarray(drawn(160, 40, 4)), "JPEG", quality=75)
    files["tall.jpg"] = saved(Image.fromarray(drawn(40, 133, 5)), "JPEG", quality=75)
    files["square.jpg"] = saved(Image.fromarray(drawn(96, 96, 6)), "JPEG", quality=75)
    cmyk = Image.fromarray(ink, "CMYK")
    files["cmyk-adobe.jpg"] = saved(cmyk, "JPEG", quality=90)
    files["cmyk-plain.jpg"] = without_segment(files["cmyk-adobe.jpg"], 0xEE)
    # Pillow cannot write YCCK; the same samples under an Adobe segment that says YCCK are one.
    adobe = files["cmyk-adobe.jpg"]
    at = adobe.index(b"Adobe")
    files["ycck.jpg"] = adobe[: at + 11] + b"\x02" + adobe[at + 12 :]
    files["cmyk-progressive.jpg"] = saved(cmyk, "JPEG", quality=80, progressive=True)
    # Other sampling and orders of scans, restarts, no conversion of colours.
    for name, sampling in [("440", "1x2"), ("411", "4x1"), ("410", "4x2"), ("mixed", "2x2,2x1,1x2")]:
        files[f"rgb-{name}.jpg"] = cjpeg(rgb, "-sample", sampling)
    files["restarts.jpg"] = cjpeg(rgb, "-sample", "2x2", "-progressive", "-restart", "3B")
    files["separate-scans.jpg"] = cjpeg(rgb, "-sample", "2x2", scans="0;\n1;\n2;\n")
    files["adobe-rgb.jpg"] = cjpeg(rgb, "-rgb", "-progressive")
    exif = Image.Exif()
    exif[0x0112] = 6
    files["exif-rotated.jpg"] = saved(rgb, "JPEG", quality=80, exif=exif)
    # A profile that would show if it were applied.
    files["profile.jpg"] = saved(rgb, "JPEG", quality=80, icc_profile=swapped_profile())

    # PNG: each depth and colour type.
    files["rgb.png"] = saved(rgb, "PNG")
    files["rgba.png"] = saved(rgba, "PNG")
    files["grey.png"] = saved(rgb.convert("L"), "PNG")
    files["grey-alpha.png"] = saved(rgba.convert("LA"), "PNG")
    files["black-white.png"] = saved(rgb.convert("1"), "PNG")
    files["palette.png"] = saved(palette, "PNG")
    files["palette-16.png"] = saved(Image.fromarray(wide).quantize(16), "PNG")
    files["palette-transparent.png"] = saved(palette, "PNG", transparency=3)
    files["palette-alpha.png"] = saved(palette, "PNG", transparency=bytes(range(200)))
    files["rgb-transparent.png"] = saved(rgb, "PNG", transparency=tuple(int(c) for c in drawn(61, 47, 0)[0, 0]))
    files["grey-transparent.png"] = saved(rgb.convert("L"), "PNG", transparency=0)
    files["exif-rotated.png"] = saved(rgb, "PNG", exif=exif)
    files["profile.png"] = saved(rgb, "PNG", icc_profile=swapped_profile())
    files["gamma.png"] = png(41, 29, 8, 2, [r.tobytes() for r in wide], [(b"gAMA", struct.pack(">I", 100000))])
    files["interlaced.png"] = interlaced(wide)
    for bits in (2, 4):
        grey = wide[..., 0] >> (8 - bits)
        files[f"grey-{bits}bit.png"] = png(41, 29, bits, 0, [packed(row, bits) for row in grey])
    deep = wide.astype(np.int64) * 257 % 65536 ^ 0x35
    deep[:5] = deep[:5] % 400  # around the 255 where Pillow clips
    rows = lambda a: [row.astype(">u2").tobytes() for row in a]
    files["grey-16bit.png"] = png(41, 29, 16, 0, rows(deep[..., 0]))
    files["grey-alpha-16bit.png"] = png(41, 29, 16, 4, rows(deep[..., :2]))
    files["rgb-16bit.png"] = png(41, 29, 16, 2, rows(deep))
    files["rgba-16bit.png"] = png(41, 29, 16, 6, rows(np.dstack([deep, deep[..., 0]])))
    transparent = struct.pack(">H", int(deep[0, 0, 0]))
    files["grey-16bit-transparent.png"] = png(41, 29, 16, 0, rows(deep[..., 0]), [(b"tRNS", transparent)])

    # WebP
    files["lossy.webp"] = saved(rgb, "WEBP", quality=70)
    files["lossless.webp"] = saved(rgb, "WEBP", lossless=True)
    files["alpha.webp"] = saved(rgba, "WEBP", quality=70)
    files["alpha-lossless.webp"] = saved(rgba, "WEBP", lossless=True)
    files["animated.webp"] = saved(rgb, "WEBP", save_all=True, append_images=[rgb.rotate(90)], duration=100, quality=50)
    files["exif-rotated.webp"] = saved(rgb, "WEBP", quality=70, exif=exif.tobytes())

    dot = Image.fromarray(np.array([[[200, 30, 90]]], np.uint8))

    # GIF: the first frame; transparent pixels keep their colour; a frame that does not cover its screen, or overhangs it.
    files["palette.gif"] = saved(palette, "GIF")
    files["grey.gif"] = saved(rgb.convert("L"), "GIF")
    files["in-rows.gif"] = saved(palette, "GIF", interlace=0)
    files["transparent.gif"] = saved(palette, "GIF", transparency=5)
    files["animated.gif"] = saved(palette, "GIF", save_all=True, append_images=[palette.rotate(90)], duration=50)
    files["larger-screen.gif"] = framed(files["transparent.gif"], (50, 40), (5, 7))
    files["overhanging.gif"] = framed(files["palette.gif"], (41, 29), (9, 3))

    # TIFF: compressions, orders of bytes, colours; alone of all kinds it is turned upright.
    for kind in ("lzw", "adobe_deflate", "jpeg"):
        files[f"rgb-{kind}.tif"] = saved(rgb, "TIFF", compression=kind if kind == "jpeg" else f"tiff_{kind}")
    files["grey.tif"] = saved(rgb.convert("L"), "TIFF")
    files["fax.tiff"] = saved(rgb.convert("1"), "TIFF", compression="group4")
    files["palette.tif"] = saved(palette, "TIFF", compression="packbits")
    files["rgba.tif"] = saved(rgba, "TIFF", compression="tiff_lzw")
    files["cmyk.tif"] = saved(cmyk, "TIFF", compression="tiff_lzw")
    files["two-pages.tif"] = saved(dot, "TIFF", save_all=True, append_images=[rgb])
    files["rotated.tif"] = saved(rgb, "TIFF", compression="tiff_lzw", tiffinfo={0x0112: 6})

    # BMP and Netpbm's
    files["rgb.bmp"] = saved(rgb, "BMP")
    files["rgba.bmp"] = saved(rgba, "BMP")
    files["palette.bmp"] = saved(Image.fromarray(wide).quantize(256), "BMP")
    files["black-white.bmp"] = saved(rgb.convert("1"), "BMP")
    files["555.bmp"] = bmp16(wide, b"")
    files["565.bmp"] = bmp16(wide, struct.pack("<III", 0xF800, 0x7E0, 0x1F))
    files["rgb.ppm"] = saved(rgb, "PPM")
    files["grey.pgm"] = saved(rgb.convert("L"), "PPM")
    files["black-white.pbm"] = saved(rgb.convert("1"), "PPM")
    files["comment.ppm"] = b"P6 # 1 2 3\n41\n29\n100 " + (wide % 101).tobytes()

    # One pixel
    files["one-pixel.jpg"] = saved(dot, "JPEG")
    files["one-pixel.png"] = saved(dot, "PNG")
    files["one-pixel.webp"] = saved(dot, "WEBP")
    files["one-row.png"] = saved(Image.fromarray(drawn(64, 1, 7)), "PNG")
    files["one-column.png"] = saved(Image.fromarray(drawn(1, 64, 8)), "PNG")

    # Names that lie
    files["png-called.jpg"] = files["grey.png"]
    files["jpeg-called.png"] = files["rgb-420.jpg"]
    files["webp-called.JPG"] = files["lossless.webp"]
    return files


def framed(gif, screen, corner):
    """The GIF with another screen, and its first frame at another place of it."""
    out = bytearray(gif)
    at = 13 + 3 * 2 ** ((out[10] & 7) + 1)
    while out[at] == 0x21:  # extensions: blocks of bytes up to an empty one
        at += 2
        while out[at]:
            at += out[at] + 1
        at += 1
    out[6:10] = struct.pack("<HH", *screen)
    out[at + 1 : at + 5] = struct.pack("<HH", *corner)
    return bytes(out)


def bmp16(picture, masks):
    """16 bits a pixel, which Pillow reads but does not write; with masks, green has six of them."""
    height, width, _ = picture.shape
    red, green, blue = (picture[..., k].astype(np.int64) for k in range(3))
    pixels = (red >> 3 << 11 | green >> 2 << 5 | blue >> 3) if masks else (red >> 3 << 10 | green >> 3 << 5 | blue >> 3)
    stride = (2 * width + 3) // 4 * 4
    rows = b"".join(row.astype("<u2").tobytes().ljust(stride, b"\0") for row in pixels[::-1])
    start = 54 + len(masks)
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 16, 3 if masks else 0, len(rows), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + head + masks + rows


def packed(row, bits):
    out = bytearray()
    per_byte = 8 // bits
    for i in range(0, len(row), per_byte):
        byte = 0
        for k in range(per_byte):
            byte = byte << bits | (int(row[i + k]) if i + k < len(row) else 0)
        out.append(byte)
    return bytes(out)


def interlaced(picture):
    """Adam7, which Pillow reads but does not write."""
    height, width, _ = picture.shape
    data = b""
    for x0, y0, dx, dy in [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]:
        data += b"".join(b"\0" + row.tobytes() for row in picture[y0::dy, x0::dx])
    plain = png(width, height, 8, 2, [])
    header = bytearray(plain[8 : 8 + 25])
    header[20] = 1
    header[21:25] = struct.pack(">I", zlib.crc32(bytes(header[4:21])))
    body = zlib.compress(data, 9)
    idat = struct.pack(">I", len(body)) + b"IDAT" + body + struct.pack(">I", zlib.crc32(b"IDAT" + body))
    return plain[:8] + bytes(header) + idat + plain[-12:]


def swapped_profile():
    """sRGB with red and green exchanged: a decoder that applies it gives visibly other colours."""
    from PIL import ImageCms

    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", profile[128:132])[0]
    where = {bytes(profile[132 + 12 * i : 136 + 12 * i]): 136 + 12 * i for i in range(count)}
    red, green = where[b"rXYZ"], where[b"gXYZ"]
    profile[red : red + 8], profile[green : green + 8] = profile[green : green + 8], profile[red : red + 8]
    profile[24:36] = struct.pack(">6H", 2020, 1, 1, 0, 0, 0)  # the day it is made would change the file
    return bytes(profile)


def sha(data):
    return hashlib.sha256(data).hexdigest()


def resized(name, picture, sizes):
    """All filters; the whole picture and two boxes within it."""
    width, height = picture.size
    boxes = [(0, 0, width, height)]
    if min(width, height) > 8:
        boxes += [(3, 2, width - 1, height - 2), (width // 3, height // 4, width // 3 + 5, height // 4 + 7)]
    for box in boxes:
        for size in sizes:
            for filter, value in FILTERS.items():
                result = picture.crop(box).resize(size, value)
                left, top, right, bottom = box
                yield {
                    "file": name,
                    "box": {"left": left, "top": top, "width": right - left, "height": bottom - top},
                    "size": list(size),
                    "filter": filter,
                    "sha256": sha(result.tobytes()),
                }


def inputs(name, picture, sizes):
    for resize, crop in sizes:
        for filter in FILTERS:
            square = transforms.Compose([transforms.Resize(resize, MODES[filter]), transforms.CenterCrop(crop)])(picture)
            tensor = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])(square)
            yield {
                "file": name,
                "resize": resize,
                "crop": crop,
                "filter": filter,
                "bytes": sha(square.tobytes()),
                "float32": sha(tensor.numpy().astype("<f4").tobytes()),
            }


def spread(width, height, scale, ratio, draws=20000):
    """How RandomResizedCrop's parameters are distributed."""
    torch.manual_seed(0)
    picture = torch.empty(3, height, width)
    boxes = [transforms.RandomResizedCrop.get_params(picture, scale, ratio) for _ in range(draws)]
    top, left, h, w = (np.array(column, np.float64) for column in zip(*boxes))
    area, aspect = w * h / (width * height), np.log(w / h)
    free = lambda at, extent, size: float(np.mean(np.where(extent > size, at / np.maximum(extent - size, 1), 0.5)))
    return {
        "width": width,
        "height": height,
        "scale": list(scale),
        "ratio": list(ratio),
        "area": [area.mean(), area.std()],
        "logRatio": [aspect.mean(), aspect.std()],
        "left": free(left, width, w),
        "top": free(top, height, h),
    }


def decoded(path):
    picture = Image.open(path)
    mode = picture.mode
    return picture.convert("RGB"), mode


def reduced(path):
    """A JPEG at 1/2, 1/4 and 1/8 of its size, as libjpeg's inverse DCT makes it."""
    for reduction in (2, 4, 8):
        picture = Image.open(path)
        width, height = picture.size
        if picture.draft(None, (width // reduction, height // reduction)) is None:
            continue
        picture = picture.convert("RGB")
        yield {"file": path.name, "reduction": reduction, "size": list(picture.size), "sha256": sha(picture.tobytes())}


def lines(result):
    """JSON with one entry a line, so that a change is a line of the difference."""
    parts = []
    for key, value in result.items():
        if isinstance(value, list):
            parts.append(f'"{key}": [\n' + ",\n".join(json.dumps(entry) for entry in value) + "\n]")
        else:
            parts.append(f'"{key}": {json.dumps(value)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main():
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    torch.set_num_threads(1)
    IMAGES.mkdir(exist_ok=True)
    for old in IMAGES.iterdir():
        old.unlink()
    files = pictures()
    for name, data in files.items():
        (IMAGES / name).write_bytes(data)

    result = {
        "made_with": f"Pillow {PIL.__version__}, numpy {np.__version__}, torch {torch.__version__}, "
        f"torchvision {torchvision.__version__}, libjpeg-turbo {PIL.features.version('libjpeg_turbo')}",
        "decode": [],
        "reduced": [],
        "resize": [],
        "input": [],
        "boxes": [],
        "photos": [],
    }
    for name in sorted(files):
        picture, mode = decoded(IMAGES / name)
        size = list(picture.size)
        result["decode"].append({"file": name, "mode": mode, "size": size, "sha256": sha(picture.tobytes())})

    for name in ["grey.jpg", "rgb-420.jpg", "rgb-422.jpg", "rgb-444.jpg", "wide.jpg", "tall.jpg", "square.jpg"]:
        result["reduced"] += reduced(IMAGES / name)

    sizes = [(24, 24), (7, 50), (61, 90), (120, 31), (1, 1)]
    for name in ["rgb.png", "rgb-420.jpg", "rgba.png", "black-white.png", "one-pixel.png", "one-row.png", "one-column.png"]:
        result["resize"] += resized(name, decoded(IMAGES / name)[0], sizes)
    # 36 of 61×47 is 46 wide and 36 high; crops of even and odd remainders; a crop larger than the picture.
    for name in ["rgb.png", "wide.jpg", "tall.jpg", "square.jpg", "one-pixel.png"]:
        sizes = [(36, 32), (36, 31), (47, 47), (96, 64), (20, 33)]
        result["input"] += inputs(name, decoded(IMAGES / name)[0], sizes)
    for width, height in [(500, 375), (32, 32), (20, 200), (300, 10)]:
        for scale in [(0.08, 1.0), (0.35, 0.9)]:
            result["boxes"].append(spread(width, height, scale, (3 / 4, 4 / 3)))

    for path in sorted(PHOTOS.glob("*.JPEG")) if PHOTOS.is_dir() else []:
        picture, mode = decoded(path)
        result["photos"].append(
            {
                "file": path.name,
                "mode": mode,
                "size": list(picture.size),
                "sha256": sha(picture.tobytes()),
                "reduced": list(reduced(path)),
                "input": list(inputs(path.name, picture, [(256, 224), (73, 64)])),
            }
        )
    if not result["photos"]:
        print("../shared/data is absent: images.json would lose the photographs; nothing written", file=sys.stderr)
        sys.exit(1)
    (GOLDEN / "images.json").write_text(lines(result))
    total = sum(len(data) for data in files.values())
    print(f"{len(files)} pictures, {total} bytes; {len(result['resize'])} resizes, {len(result['input'])} inputs")


main()
