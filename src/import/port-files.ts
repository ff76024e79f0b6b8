/** What files of frameworks and ports have around or in the place of a network's own tensors, made what the namings know. */

import { failAt, shownName } from "../formats/bytes.ts";
import { type Tensor, tensor } from "../tensor.ts";

type Tensors = ReadonlyMap<string, Tensor>;

export interface PortFile {
  readonly tensors: Tensors;
  /** What is of training only. */
  readonly aside: readonly string[];
}

/**
 * @param where the file's name, for errors
 * @throws SenetError `weights` where it is an optimiser's state
 */
export function portFile(tensors: Tensors, where: string): PortFile {
  refuseOptimizer(tensors, where);
  refuseObjects(tensors, where);
  const { own, aside } = withoutTraining(plainlyNamed(tensors));
  const { tensors: called, uncalled } = withoutUncalled(own);
  return { tensors: pathsJoined(withFirstNorms(called)), aside: [...aside, ...uncalled] };
}

/** Chainer saves an optimiser beside its network: for each parameter what is kept of its gradients. */
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

/** Keras and TensorFlow 2 save a tree of objects, whose leaves are called by their places in it. */
function refuseObjects(tensors: Tensors, where: string): void {
  const names = [...tensors.keys()].filter((name) => name.endsWith("/.ATTRIBUTES/VARIABLE_VALUE"));
  if (names.length === 0) return;
  failAt(where)("this is a checkpoint of Keras's objects, which does not say what its layers are called", {
    expected: "variables by the names of layers",
    found: `${names.length} variables by their places: ${names.slice(0, 2).map(shownName).join(", ")}, ...`,
    hint: "where it was trained, export the network as ONNX (tf2onnx), or save its variables by name: np.savez('net.npz', **{v.name: v.numpy() for v in model.variables})",
  });
}

/** Names without TensorFlow's number of an operation's output (`conv0/W:0`) and MXNet's kinds (`arg:`, `aux:`). */
function plainlyNamed(tensors: Tensors): Tensors {
  const names = [...tensors.keys()];
  // All or none, so that no two become one.
  if (names.every((name) => /^(?:arg|aux):/.test(name))) return renamed(tensors, (name) => name.slice(4));
  if (names.every((name) => name.endsWith(":0"))) return renamed(tensors, (name) => name.slice(0, -2));
  return tensors;
}

function renamed(tensors: Tensors, name: (theirs: string) => string): Tensors {
  const result = new Map([...tensors].map(([theirs, tensor]) => [name(theirs), tensor]));
  return result.size === tensors.size ? result : tensors;
}

/**
 * What TensorFlow's optimisers and averages keep beside a variable, under its name, and tensorpack's averages of what it
 * reports.
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
 * moskomule's SE-Inception-v3 without its gates, which its code has and never calls, and without the auxiliary classifier
 * of training. The first convolution gets a name of its own, so that torchvision's files, which want their pictures
 * otherwise prepared, are not taken for this network's.
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
 * From 29 August 2017 on tensorpack's groups end in the batch norm that the next one began with before: the same
 * computation, under the older names.
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
 * The paths of taki0112's SE-ResNeXt as one: their first convolutions side by side, their second ones as groups of one
 * convolution, their batch norms one behind the other. A convolution is called by its place among all that were made:
 * within a block those of each path, then the one that leads back.
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

/** Of `2_1`, group 2, block 1. */
function numberOf(block: string): number {
  const [group, place] = block.split("_").map(Number);
  return group! * 1e6 + place!;
}

/** Tensors one behind the other along their last axis; undefined where the others differ. */
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
