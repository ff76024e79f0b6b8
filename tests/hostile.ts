/**
 * Small files that demand much work or memory, created where tests need them: they are too large to commit, and always
 * the same.
 */

import sharp from "sharp";
import { encodeSafetensors } from "../src/formats/safetensors-write.ts";
import { tensor } from "../src/tensor.ts";
import { encodeCheckpoint } from "../src/weights/checkpoint-write.ts";
import type { LayerConfig } from "../src/zoo/layer.ts";
import { blob, floats, pickle, proto, torchArchive, zip } from "./weights.ts";

const text = (content: string) => new TextEncoder().encode(content);
const whole = (chunks: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(chunks));
const header = "name: 'x' input: 'data' input_dim: [1, 3, 8, 8]\n";
const million = 2 ** 20;

const preprocessing = {
  ...({ channels: "rgb", scale: 255, mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] } as const),
  ...({ resize: 8, crop: 8, interpolation: "bilinear" } as const),
};
const end = (input: string): LayerConfig[] => [
  { name: "gp", kind: "globalAvgPool", inputs: [input] },
  { name: "fl", kind: "flatten", inputs: ["gp"] },
  { name: "fc", kind: "linear", inputs: ["fl"], out: 2, bias: false },
];

/** A checkpoint of ours with these layers and a classifier of `[2, channels]`, and with other metadata if given. */
function checkpoint(
  layers: readonly LayerConfig[],
  channels: number,
  { imageSize = 8, crop = 8, resize = 0, labels = ["a", "b"] as readonly unknown[], classes = 2 } = {},
): Uint8Array {
  const model = {
    name: "x",
    classes,
    config: { family: "layers" as const, imageSize, layers: [...layers, ...end(layers.at(-1)?.name ?? "image")] },
  };
  const weights = new Map([["fc.weight", tensor([2, channels], new Float32Array(2 * channels).fill(0.5))]]);
  const said = { ...preprocessing, resize: resize || crop, crop };
  return whole(encodeCheckpoint({ model, labels: labels as readonly string[], preprocessing: said, weights }));
}

const doubling = (count: number): LayerConfig[] =>
  Array.from({ length: count }, (_, i) => {
    const before = i === 0 ? "image" : `c${i - 1}`;
    return { name: `c${i}`, kind: "concat", inputs: [before, before] };
  });

/** A network of a single fully connected layer with its own weights. */
const smallCaffe = proto([
  [
    100,
    [
      [1, "fc"],
      [2, "InnerProduct"],
      [3, "data"],
      [4, "fc"],
      [7, blob([2, 3], 1, 2, 3, 4, 5, 6)],
      [7, blob([2], 1, 2)],
    ],
  ],
]);
const squeeze =
  "layer { name: 'p' type: 'Pooling' bottom: 'data' top: 'p' pooling_param { pool: AVE global_pooling: true } }";
const classifier = (bottom: string) =>
  `layer { name: 'fc' type: 'InnerProduct' bottom: '${bottom}' top: 'fc' inner_product_param { num_output: 2 } }\n`;

/** Names that begin with `bomb-` are hostile; the others are valid. */
export async function hostileFiles(): Promise<ReadonlyMap<string, Uint8Array>> {
  const pixels = Uint8Array.from({ length: 16 * 16 * 3 }, (_, i) => (i * 37) % 256);
  const picture = await sharp(pixels, { raw: { width: 16, height: 16, channels: 3 } })
    .png()
    .toBuffer();
  const pool = { kind: "maxPool", inputs: ["image"], kernel: 65_535, stride: 65_535, pad: 65_534, ceil: true } as const;
  const files: Record<string, Uint8Array> = {
    "sound.safetensors": checkpoint([], 3),
    "picture.png": new Uint8Array(picture),
    "small.caffemodel": smallCaffe,
    "small.prototxt": text(header + squeeze + classifier("p")),

    // Checkpoints of ours whose metadata describe more than the file can contain.
    "bomb-ck-labels-numbers.safetensors": checkpoint([], 3, { labels: new Array(million).fill(1) }),
    "bomb-ck-labels-many.safetensors": checkpoint([], 3, { labels: new Array(million / 2).fill("") }),
    "bomb-ck-labels-objects.safetensors": checkpoint([], 3, { labels: new Array(million / 2).fill({}) }),
    "bomb-ck-classes.safetensors": checkpoint([], 3, { classes: 2 ** 40 }),
    "bomb-ck-doubling.safetensors": checkpoint(doubling(24), 3),
    "bomb-ck-doubling-wide.safetensors": checkpoint(doubling(12), 3, { imageSize: 3000, crop: 3000 }),
    "bomb-ck-crop.safetensors": checkpoint([], 3, { crop: 30_000 }),
    "bomb-ck-resize.safetensors": checkpoint([], 3, { resize: 65_535 }),
    "bomb-ck-pool.safetensors": checkpoint([{ name: "p", ...pool }], 3),
    "bomb-ck-pool-average.safetensors": checkpoint(
      [{ name: "p", ...pool, kind: "avgPool", kernel: 60_000, stride: 1, pad: 59_999 }],
      3,
    ),
    "bomb-ck-inputs.safetensors": checkpoint(
      Array.from({ length: 2000 }, (_, i) => ({
        name: `a${i}`,
        kind: "add",
        inputs: new Array<string>(500).fill("image"),
      })),
      3,
    ),
    "bomb-st-many.safetensors": text(""),
    "bomb-st-objects.safetensors": text(""),

    // Caffe's definitions.
    "bomb-pt_blank.bin": text(`${header}${" ".repeat(4 * million)}`),
    "bomb-pt_lines.bin": text(`${header}${"#\n".repeat(2 * million)}`),
    "bomb-pt_layers.bin": text(header + "layer{}".repeat(million / 2)),
    "bomb-pt_fields.bin": text(header + "a:1 ".repeat(million)),
    "bomb-pt_string.bin": text(`name: "${"\\101".repeat(million)}"`),
    "bomb-pt_strings.bin": text(`name: ${'"" '.repeat(million)}`),
    "bomb-pt_deep.bin": text("a{".repeat(million)),
    "bomb-pt_name.bin": text(`${header}layer { name: "${"n".repeat(4 * million)}" type: "X" bottom: "data" top: "t" }`),
    "bomb-pt_convolution.bin": text(
      `${header}layer { name: 'c' type: 'Convolution' bottom: 'data' top: 'c' convolution_param ` +
        `{ num_output: 1000000 kernel_size: 1000 pad: 1000 } }${classifier("c")}`,
    ),
    "bomb-pt_pad.bin": text(
      `${header}layer { name: 'c' type: 'Pooling' bottom: 'data' top: 'c' pooling_param ` +
        `{ kernel_size: 1000000 pad: 999999 stride: 1 } }${classifier("c")}`,
    ),
    "bomb-pt_side.bin": text(`${header.replaceAll("8", "1000000")}${squeeze}${classifier("p")}`),
    "bomb-pt_doubling.bin": text(
      `${header}${Array.from({ length: 29 }, (_, i) => {
        const bottom = `bottom: '${i === 0 ? "data" : `c${i - 1}`}' `;
        return `layer { name: 'c${i}' type: 'Concat' ${bottom}${bottom} top: 'c${i}' }\n`;
      }).join("")}`,
    ),
    // Nothing in it has weights, so the file can be very small.
    "bomb-pt_multiply.bin": text(
      `${header}${Array.from({ length: 100 }, (_, i) => {
        const from = i === 0 ? "data" : `c${i - 1}`;
        return `layer { name: 'c${i}' type: 'Pooling' bottom: '${from}' top: 'c${i}' pooling_param { kernel_size: 101 pad: 100 } }\n`;
      }).join("")}`,
    ),

    // Archives and pickles.
    "bomb-zip-many.pth": zip(Array.from({ length: 50_000 }, (_, i) => ({ name: `${i}`, content: new Uint8Array(0) }))),
    "bomb-pickle-text.pth": torchArchive(
      [...pickle.list(...Array.from({ length: 2000 }, () => pickle.text("x".repeat(250))))],
      { 0: floats(1) },
    ),
  };
  Object.assign(files, pickleBombs(), onnxBombs());
  const many = new Map(
    Array.from({ length: 50_000 }, (_, i): [string, ReturnType<typeof tensor>] => [
      `${i}`,
      tensor([0], new Float32Array(0)),
    ]),
  );
  files["bomb-st-many.safetensors"] = whole(encodeSafetensors(many, new Map()));
  files["bomb-st-objects.safetensors"] = whole(
    encodeSafetensors(
      new Map([["w", tensor([1], Float32Array.of(1))]]),
      new Map([
        ["format", "senet-1"],
        ["model", "[".repeat(million)],
      ]),
    ),
  );
  return new Map(Object.entries(files));
}

/** A sequence of opcodes, repeated. */
const times = (count: number, opcodes: (i: number) => readonly number[]): number[] =>
  Array.from({ length: count }, (_, i) => opcodes(i)).flat();
const four = (value: readonly number[]) => torchArchive(value, { 0: floats(1, 2, 3, 4) });
const u32 = (value: number): number[] => [...new Uint8Array(Uint32Array.of(value).buffer)];

/** Pickles that expand a small input, or take forever to search. */
function pickleBombs(): Record<string, Uint8Array> {
  const { dict, text: word, tensor: ref, storage, call, global, list, tuple } = pickle;
  const weight = ref(storage("FloatStorage", "0", 4), 0, [4], [1]);
  /** The weight is entry 0 of the memo, followed by the given opcodes. */
  const [weightKept, recalled] = [
    [...weight, 0x94, 0x30],
    [0x68, 0],
  ];
  const long = (bytes: readonly number[]) => [0x8a, bytes.length, ...bytes];
  /** An nn.Module of these modules. */
  const module = (parts: readonly (readonly [string, readonly number[]])[]) => [
    ...call(global("x", "Module")),
    ...dict([
      ["_parameters", dict([["weight", recalled]])],
      ["_modules", dict(parts)],
    ]),
    0x62,
  ];
  const key = "k".repeat(100);
  let nested = [...module([]), 0x94, 0x30];
  for (let i = 1; i < 40; i++)
    nested = [
      ...nested,
      ...module([
        [`a${key}`, [0x68, i]],
        [`b${key}`, [0x68, i]],
      ]),
      0x94,
      0x30,
    ];
  return {
    "bomb-pickle-dicts.pth": four(times(190_000, () => [0x7d])),
    "bomb-pickle-objects.pth": four([...global("a", "b"), 0x94, 0x30, ...times(190_000, () => [0x68, 0, 0x29, 0x52])]),
    "bomb-pickle-states.pth": four([
      ...weightKept,
      ...[0x7d, 0x28],
      ...times(90_000, (i) => [...word(`k${i}`), 0x7d, ...word("w"), ...recalled, 0x73]),
      0x75,
    ]),
    "bomb-pickle-states-long.pth": four([
      ...weightKept,
      ...[0x7d, 0x58, ...u32(million / 2), ...text("k".repeat(million / 2)), 0x7d, 0x28],
      ...times(20_000, (i) => [...word(`k${i}`), 0x7d, ...word("w"), ...recalled, 0x73]),
      ...[0x75, 0x73],
    ]),
    "bomb-pickle-modules.pth": four([...weightKept, ...nested, 0x68, 39]),
    "bomb-pickle-nested.pth": four([...times(190_000, () => [0x5d]), ...times(189_999, () => [0x61])]),
    "bomb-pickle-integers.pth": four([
      ...[0x7d, 0x28],
      ...times(20_000, (i) => [...long([7, 0, 0, 0, 0, 0, 0, 0, ...u32(i + 1)]), 0x4e]),
      0x75,
    ]),
    "bomb-pickle-memo.pth": four([0x4e, ...times(60_000, (i) => [0x72, ...u32(1_999_999 - 32 * i)])]),
    "bomb-pickle-digits.pth": four([0x4c, ...text("9".repeat(million)), 0x4c, 0x0a]),
    "bomb-pickle-copies.pth": four([
      ...list(...Array.from({ length: 1000 }, () => tuple(word("a"), [0x4e]))),
      ...[0x94, 0x30],
      ...times(5000, () => call(global("collections", "OrderedDict"), [0x68, 0])),
    ]),
    "bomb-pickle-expanded.pth": four(
      dict(
        times(500, (i) => [i]).map((i) => [`w${i}.weight`, ref(storage("FloatStorage", "0", 4), 0, [2 ** 21], [0])]),
      ),
    ),
    "bomb-pickle-labels.pth": four([
      ...[0x7d, ...word("w"), ...weight, 0x73, ...word("classes"), 0x28],
      ...times(250_000, () => word("x")),
      ...[0x6c, 0x73],
    ]),
  };
}

/** Graphs that compute shapes, names and constants without end. */
function onnxBombs(): Record<string, Uint8Array> {
  type Node = readonly [op: string, inputs: readonly string[], output: string, name?: string];
  const dims = [1, 3, 8, 8].map((extent) => [1, [[1, extent]]]);
  const graph = (nodes: readonly Node[], output: string, initialisers: readonly Uint8Array[] = []) =>
    proto([
      [1, 8],
      [
        7,
        [
          ...nodes.map(([op, inputs, output, name = ""]) => [
            1,
            [...inputs.map((input) => [1, input]), [2, output], [3, name], [4, op]],
          ]),
          ...initialisers.map((bytes) => [5, bytes]),
          [
            11,
            [
              [1, "x"],
              [2, [[1, [[2, dims]]]]],
            ],
          ],
          [12, [[1, output]]],
        ],
      ],
    ] as never);
  const chain = (count: number, node: (before: string, i: number) => Node, first = "x"): Node[] =>
    Array.from({ length: count }, (_, i) => node(i === 0 ? first : `v${i - 1}`, i));
  const matrix = proto([
    [1, { packed: [256, 256] }],
    [2, 1],
    [8, "m"],
    [9, new Uint8Array(4 * 65_536)],
  ]);
  return {
    "bomb-onnx-concat.onnx": graph(
      chain(29, (before, i) => ["Concat", [before, before], `v${i}`]),
      "v28",
    ),
    "bomb-onnx-shapes.onnx": graph(
      [["Shape", ["x"], "s"], ...chain(40, (before, i): Node => ["Concat", [before, before], `v${i}`], "s")],
      "x",
    ),
    "bomb-onnx-names.onnx": graph(
      chain(2500, (before, i) => ["Relu", [before], `v${i}`, "same"]),
      "v3999",
    ),
    "bomb-onnx-nodes.onnx": proto([
      [1, 8],
      [7, times(200_000, () => [0]).map(() => [1, []])],
    ] as never),
    "bomb-onnx-turned.onnx": graph(
      chain(5000, (before, i) => ["Transpose", [before], `v${i}`], "m"),
      "x",
      [matrix],
    ),
    "bomb-onnx-constants.onnx": graph(
      chain(5900, (_, i) => ["MatMul", ["x", "m"], `v${i}`]),
      "v9",
      [matrix],
    ),
  };
}
