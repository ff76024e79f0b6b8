/** Converts the tensors in files of frameworks and ports to what namings expect. */

import { failAt, shownName } from "../formats/bytes.ts";
import { type Tensor, tensor } from "../tensor.ts";

type Tensors = ReadonlyMap<string, Tensor>;

export interface PortFile {
  readonly tensors: Tensors;
  /** Tensors that only concern training. */
  readonly aside: readonly string[];
}

/**
 * @param where the file's name, for errors
 * @throws SenetError `weights` where the file is an optimiser's state
 */
export function portFile(tensors: Tensors, where: string): PortFile {
  refuseOptimizer(tensors, where);
  refuseObjects(tensors, where);
  const { own, aside } = withoutTraining(plainlyNamed(tensors));
  const { tensors: called, uncalled } = withoutUncalled(own);
  return { tensors: pathsJoined(withFirstNorms(called)), aside: [...aside, ...uncalled] };
}

/** Refuses Chainer's optimiser files, which store the state for each parameter. */
function refuseOptimizer(tensors: Tensors, where: string): void {
  const names = [...tensors.keys()];
  const isState = names.length > 1 && names.every((name) => /^\w+\/(?:.*\/)?(?:[vmhs]|vhat|msg|msdx)$/.test(name));
  if (!isState) return;
  failAt(where)("this is the state of an optimiser, not a network's weights", {
    expected: "the arrays of a network",
    found: `${names.length} arrays: ${names.slice(0, 3).map(shownName).join(", ")}, ...`,
    hint: "give the file of the network that Chainer saved with it, such as the .model beside an .optimizer",
  });
}

/** Refuses object trees of Keras and TensorFlow 2, whose leaves are named by their position. */
function refuseObjects(tensors: Tensors, where: string): void {
  const names = [...tensors.keys()].filter((name) => name.endsWith("/.ATTRIBUTES/VARIABLE_VALUE"));
  if (names.length === 0) return;
  failAt(where)("this is a checkpoint of Keras's objects, which does not say what its layers are called", {
    expected: "variables by the names of layers",
    found: `${names.length} variables by their places: ${names.slice(0, 2).map(shownName).join(", ")}, ...`,
    hint: "where it was trained, export the network as ONNX (tf2onnx), or save its variables by name: np.savez('net.npz', **{v.name: v.numpy() for v in model.variables})",
  });
}

/** Removes TensorFlow's output numbers (`conv0/W:0`) and MXNet's kinds (`arg:`, `aux:`). */
function plainlyNamed(tensors: Tensors): Tensors {
  const names = [...tensors.keys()];
  // All or none, so that names stay unique.
  if (names.every((name) => /^(?:arg|aux):/.test(name))) return renamed(tensors, (name) => name.slice(4));
  if (names.every((name) => name.endsWith(":0"))) return renamed(tensors, (name) => name.slice(0, -2));
  return tensors;
}

function renamed(tensors: Tensors, name: (theirs: string) => string): Tensors {
  const result = new Map([...tensors].map(([theirs, tensor]) => [name(theirs), tensor]));
  return result.size === tensors.size ? result : tensors;
}

/**
 * Separates tensors that TensorFlow's optimisers and averages store next to variables, and tensorpack's averages of
 * reported values.
 */
function withoutTraining(tensors: Tensors): { own: Tensors; aside: string[] } {
  const isOwn = (name: string) => {
    const [, variable] = /^(.+)\/(?:Momentum|Adam|Adam_1|RMSProp|RMSProp_1|ExponentialMovingAverage)$/.exec(name) ?? [];
    const isSlot = variable !== undefined && tensors.has(variable);
    return !isSlot && !/(?:\/biased|\/local_step)$|^EMA\//.test(name);
  };
  const [own, aside] = [true, false].map((kept) => [...tensors].filter(([name]) => isOwn(name) === kept));
  return { own: new Map(own), aside: aside!.map(([name]) => name) };
}

/**
 * Removes the gates of moskomule's SE-Inception-v3, which its code never calls, and the auxiliary classifier. Renames
 * the first convolution, so that torchvision's files, which need other pre-processing, are not mistaken for this
 * network's.
 */
function withoutUncalled(tensors: Tensors): { readonly tensors: Tensors; readonly uncalled: readonly string[] } {
  const isUncalled = (name: string) => /(?:^|\.)(?:Mixed_\d\w\.SELayer|AuxLogits)\./.test(name);
  const names = [...tensors.keys()];
  if (!names.some((name) => /(?:^|\.)Mixed_5b\.SELayer\./.test(name))) return { tensors, uncalled: [] };
  const called = new Map([...tensors].filter(([name]) => !isUncalled(name)));
  return {
    tensors: renamed(called, (name) => name.replace(/(^|\.)(?=Conv2d_1a_3x3\.)/, "$1gated.")),
    uncalled: names.filter(isUncalled),
  };
}

/**
 * Since 29 August 2017, tensorpack's groups end with the batch norm with which the next one started before: the same
 * computation, converted to the older names.
 */
function withFirstNorms(tensors: Tensors): Tensors {
  const groups = [...tensors.keys()].flatMap((name) => /^group(\d+)\/bnlast\/bn\/gamma$/.exec(name)?.[1] ?? []);
  if (groups.length === 0) return tensors;
  const last = Math.max(...groups.map(Number));
  return renamed(tensors, (name) =>
    name.replace(/^group(\d+)\/bnlast\//, (_, group: string) =>
      Number(group) === last ? "bnlast/" : `group${Number(group) + 1}/block0/preact/`,
    ),
  );
}

/**
 * Joins the paths of taki0112's SE-ResNeXt: their first convolutions in parallel, their second ones as groups of one
 * convolution, their batch norms concatenated. Convolutions are numbered in order of creation: within a block those of
 * each path, then the last one.
 */
function pathsJoined(tensors: Tensors): Tensors {
  const blocks = [...tensors.keys()]
    .flatMap((name) => /^trans_layer_(\d+_\d+)_batch1\/gamma$/.exec(name)?.[1] ?? [])
    .sort((a, b) => numberOf(a) - numberOf(b));
  if (!tensors.has("first_layer_batch1/gamma") || blocks.length === 0) return tensors;
  const left = new Map(tensors);
  const joined = new Map<string, Tensor>();
  const take = (into: string, from: readonly string[]) => {
    const parts = from.map((name) => tensors.get(name));
    if (parts.length === 0 || parts.some((part) => part === undefined)) return;
    const whole = alongLastAxis(parts as Tensor[]);
    if (whole === undefined) return;
    for (const name of from) left.delete(name);
    joined.set(into, whole);
  };
  const kernel = (kind: "conv2d" | "dense", place: number) => `${kind}${place === 0 ? "" : `_${place}`}/kernel`;
  let [convs, denses] = [1, 0];
  for (const block of blocks) {
    const split = (path: number) => `split_layer_${block}_splitN_${path}`;
    const paths: number[] = [];
    while (tensors.has(`${split(paths.length)}_batch1/gamma`)) paths.push(paths.length);
    for (const k of [1, 2]) {
      const first = convs;
      take(
        `block_${block}/conv${k}/kernel`,
        paths.map((path) => kernel("conv2d", first + 2 * path + k - 1)),
      );
      for (const part of ["gamma", "beta", "moving_mean", "moving_variance"]) {
        take(
          `split_layer_${block}_batch${k}/${part}`,
          paths.map((path) => `${split(path)}_batch${k}/${part}`),
        );
      }
      take(`block_${block}/dense${k}/kernel`, [kernel("dense", denses + k - 1)]);
    }
    take(`block_${block}/conv3/kernel`, [kernel("conv2d", convs + 2 * paths.length)]);
    convs += 2 * paths.length + 1;
    denses += 2;
  }
  for (const part of ["kernel", "bias"]) {
    take(`last_dense/${part}`, [kernel("dense", denses).replace("kernel", part)]);
  }
  return new Map([...left, ...joined]);
}

/** Number of a block such as `2_1`: group 2, block 1. */
function numberOf(block: string): number {
  const [group, place] = block.split("_").map(Number);
  return group! * 1e6 + place!;
}

/** Concatenates tensors along their last axis; undefined if the other axes differ. */
function alongLastAxis(parts: readonly Tensor[]): Tensor | undefined {
  const [first] = parts as [Tensor];
  const outer = first.shape.slice(0, -1);
  const isFitting = ({ shape }: Tensor) => `${shape.slice(0, -1)}` === `${outer}` && shape.length > 0;
  if (!parts.every(isFitting)) return undefined;
  const widths = parts.map(({ shape }) => shape.at(-1)!);
  const width = widths.reduce((sum, each) => sum + each, 0);
  const rows = outer.reduce((product, extent) => product * extent, 1);
  const data = new Float32Array(rows * width);
  let start = 0;
  for (const [i, { data: from }] of parts.entries()) {
    const own = widths[i]!;
    for (let row = 0; row < rows; row++) data.set(from.subarray(row * own, (row + 1) * own), row * width + start);
    start += own;
  }
  return tensor([...outer, width], data);
}
