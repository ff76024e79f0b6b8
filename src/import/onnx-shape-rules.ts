/**
 * Rules for ONNX operations that only give values another shape, take a part of them, or compute with shapes, as exporters
 * write what is one layer in a framework.
 */

import { attributeTensor } from "../formats/onnx-tensor.ts";
import { type Shape, sameShape, sizeOf, type Tensor } from "../tensor.ts";
import type { Extent, Flow, OnnxValue, Step } from "./onnx-step.ts";

/** Converts a node: to layers, or to a value that its readers use. */
export type Rule = (step: Step) => OnnxValue;

/** Whether it is a shape of gates, or of a squeezed picture: `[N, C, 1, 1]`. */
export const isOnes = (shape: Shape) => shape.length === 4 && shape[2] === 1 && shape[3] === 1;

/** Rules by operation. */
export const shapeRules: Readonly<Record<string, Rule>> = {
  Flatten(step) {
    const x = step.value(0);
    step.demand(step.number("axis", 1) === 1, "the batch axis left as it is", `axis ${step.number("axis", 1)}`);
    if (x.kind !== "constant") return flattened(step, step.flow(0));
    const [first = 1, ...rest] = x.tensor.shape;
    return constant(x.tensor, [first, sizeOf(rest)]);
  },

  Reshape(step) {
    const x = step.value(0);
    const target = step.extents(1);
    if (x.kind === "constant") return constant(x.tensor, reshaped(x.tensor.shape, target.map(Number), step));
    const flow = step.merged(0);
    const shape = step.shape(flow);
    const [batch, ...rest] = target;
    const size = sizeOf(shape.slice(1));
    const refuse = (): never =>
      step.fail("the node does something that no layer here can do", {
        expected: `[N, ${size}], or [N, C, 1, 1] of gates`,
        found: `[${target.join(", ")}] of [N, ${shape.slice(1).join(", ")}]`,
      });
    const isPicture = rest.length === 3 && shape.length === 4 && rest[1] === shape[2] && rest[2] === shape[3];
    if (batch === 1 && step.batch !== 1 && isPicture && rest[0] === -1 && !flow.isFlat)
      return { ...flow, isMerged: true };
    const isBatch = batch === 0 || batch === "N" || batch === -1 || batch === (step.batch ?? 1);
    if (!isBatch || (flow.isMerged === true && !(isPicture && rest[0] === shape[1]))) return refuse();
    const plain: Flow = { ...flow, isMerged: false };
    const known = rest.filter((extent) => extent !== -1);
    const extents = rest.map((extent, i) =>
      extent === 0 ? shape[i + 1]! : extent === -1 ? size / sizeOf(known.map(Number)) : Number(extent),
    );
    if (sizeOf(extents) !== size || known.length < rest.length - 1) return refuse();
    if (rest.length === 1) return flattened(step, plain);
    // A gate as TensorFlow has it, [N, 1, 1, C].
    if (isOnes(shape) && sameShape(extents, [1, 1, size])) return { ...plain, isFlat: true };
    return sameShape(extents, shape.slice(1)) ? { ...plain, isFlat: false } : refuse();
  },

  Squeeze(step) {
    const x = step.value(0);
    if (x.kind === "extents") return x;
    if (x.kind === "constant") return constant(x.tensor, squeezed(x.tensor.shape, step.axes(x.tensor.shape.length)));
    // One axis after the other, or both at once.
    const axes = step.axes(4);
    const own = x.isFlat ? [1, 2] : [2, 3];
    const isWhole = isOnes(step.shape(x)) && axes.every((axis) => own.includes(axis));
    step.demand(isWhole, "[N, C] of [N, C, 1, 1]", `axes ${axes.join(" ")}`);
    return { ...x, isFlat: true };
  },

  Unsqueeze(step) {
    const x = step.value(0);
    if (x.kind === "extents") return x;
    if (x.kind === "constant") {
      const axes = step.axes(x.tensor.shape.length + 1);
      const rest = [...x.tensor.shape];
      for (const axis of axes) rest.splice(axis, 0, 1);
      return constant(x.tensor, rest);
    }
    // One axis after the other, or both at once.
    const axes = step.axes(4);
    step.demand(
      isOnes(step.shape(x)) && axes.every((axis) => axis === 2 || axis === 3),
      "[N, C, 1, 1] of [N, C]",
      `axes ${axes.join(" ")}`,
    );
    return { ...x, isFlat: false };
  },

  Transpose(step) {
    const x = step.value(0);
    if (x.kind === "constant" && x.tensor.shape.length === 2)
      return constant(step.transposed(x.tensor), x.tensor.shape.toReversed());
    if (x.kind === "flow") return turned(step, step.numbers("perm", []).join());
    return step.fail("the node transposes axes, which no layer here can do");
  },

  Shape(step) {
    const only = (extents: readonly Extent[]): OnnxValue => {
      const [start, end] = [step.number("start", 0), step.number("end", extents.length)];
      return { kind: "extents", extents: extents.slice(start, end) };
    };
    const of = step.value(0);
    if (of.kind === "constant") return only(of.tensor.shape);
    const x = step.flow(0);
    const shape = step.shape(x);
    return only(["N", ...(x.isFlat ? [sizeOf(shape.slice(1))] : shape.slice(1))]);
  },

  Gather(step) {
    const extents = step.extents(0);
    const picked = step
      .extents(1)
      .map((index) => extents.at(Number(index)) ?? step.fail("the node reads a dimension that does not exist"));
    return { kind: "extents", extents: picked };
  },

  ConstantOfShape(step) {
    const shape = step.extents(0).map(Number);
    const size = sizeOf(shape);
    const value = step.node.tensors.get("value");
    const filling = value === undefined ? undefined : attributeTensor(value, step.fail);
    const isZero = filling === undefined || (typeof filling === "object" && filling.data.every((each) => each === 0));
    step.demand(isZero && size >= 0 && size <= 64, "at most 64 zeros", `${size} of something`);
    return list(new Array<number>(size).fill(0), shape);
  },

  Slice(step) {
    const bound = (input: number, name: string, otherwise: number) =>
      step.has(input) ? Number(step.extents(input)[0]) : step.number(name, otherwise);
    const rows = step.value(0);
    if (rows.kind === "constant" && rows.tensor.shape.length === 2) return turnedOver(step, rows.tensor);
    const of = step.value(0);
    const steps = step.has(4) ? step.extents(4).map(Number) : [];
    if (of.kind === "flow" && steps.some((each) => each !== 1)) return subsampled(step, of, steps);
    step.demand(
      steps.every((each) => each === 1),
      "consecutive dimensions",
      "steps between them",
    );
    if (of.kind === "flow") {
      const x = step.flow(0);
      const axes = step.axes(4, 3);
      const [, channels] = step.shape(x) as [number, number];
      step.demand(!x.isFlat && axes.join() === "1", "some of a picture's channels", `axes ${axes.join(" ")}`);
      const within = (place: number) => Math.min(Math.max(place < 0 ? place + channels : place, 0), channels);
      const [start, end] = [within(bound(1, "starts", 0)), within(bound(2, "ends", channels))];
      step.demand(start < end, "some channels", `${start} to ${end}`);
      return step.layer({ kind: "channelSlice", start, length: end - start }, [x]);
    }
    const extents = step.extents(0);
    return { kind: "extents", extents: extents.slice(bound(1, "starts", 0), bound(2, "ends", extents.length)) };
  },

  /**
   * A gate expanded to all pixels, which its product with a picture does anyway; one number repeated, and dimensions as
   * many as they are, by which PyTorch's exporter writes a bias of zeros unless it optimises.
   */
  Expand(step) {
    const of = step.value(0);
    if (of.kind === "constant" && of.tensor.data.length === 1) return repeated(step, of.tensor);
    const isWhole = of.kind === "extents" && step.extents(1).every((size) => size === 1 || size === of.extents.length);
    if (isWhole) return of;
    const x = step.flow(0);
    const shape = step.shape(x);
    const target = step.extents(1);
    step.demand(
      isOnes(shape) && !x.isFlat && target.length === 4 && (target[1] === shape[1] || target[1] === 1),
      "a gate [N, C, 1, 1] of channels",
      `[${shape.join(", ")}] to [${target.join(", ")}]`,
    );
    return x;
  },
};

/** Flattens to `[N, C·H·W]`: our layers keep their shape until rows are needed. */
function flattened(step: Step, x: Flow): Flow {
  return step.shape(x).length === 2 ? x : { ...x, isFlat: true };
}

/** A picture whose channels go to another place, or a gate: `[N, 1, 1, C]` has the numbers of `[N, C, 1, 1]` in their order. */
function turned(step: Step, order: string): Flow {
  const x = step.laid(0);
  const isGate = isOnes(step.shape(x));
  if (order === "0,3,1,2" && (x.isChannelsLast === true || (isGate && x.isFlat)))
    return { ...x, isFlat: false, isChannelsLast: false };
  if (order === "0,2,3,1" && !x.isFlat && x.isChannelsLast !== true)
    return isGate ? { ...step.flow(0), isFlat: true } : { ...step.flow(0), isChannelsLast: true };
  return step.fail("the node transposes axes in another way than from channels first to last and back", {
    found: order,
  });
}

/** Numbers that are not weights. */
export const list = (numbers: readonly number[], shape: Shape): OnnxValue =>
  constant({ dtype: "int32", shape, data: Int32Array.from(numbers) }, shape);

/** A number in a given shape. */
function repeated(step: Step, { data }: Tensor): OnnxValue {
  const shape = step.extents(1).map(Number);
  const size = sizeOf(shape);
  step.demand(Number.isSafeInteger(size) && shape.every((extent) => extent >= 0), "known dimensions", `[${shape}]`);
  step.spend(size);
  return constant({ dtype: "float32", shape, data: new Float32Array(size).fill(data[0]!) }, shape);
}

/** Reverses the rows of a small matrix, as PyTorch does for a picture's padding. */
function turnedOver(step: Step, { shape, data }: Tensor): OnnxValue {
  const [start, end, axis, by] = [1, 2, 3, 4].map((input) => (step.has(input) ? step.extents(input) : []));
  const isAll = `${start}` === "-1" && Number(end?.[0]) < -64 && `${axis}` === "0" && `${by}` === "-1";
  step.demand(isAll && data.length <= 64, "all rows of a matrix, the last one first", `${data.length} numbers`);
  const width = shape[1]!;
  const rows = Array.from({ length: shape[0]! }, (_, i) => Array.from(data.subarray(i * width, (i + 1) * width)));
  return list(rows.reverse().flat(), shape);
}

const constant = (tensor: Tensor, shape: Shape): OnnxValue => ({ kind: "constant", tensor: { ...tensor, shape } });

const squeezed = (shape: Shape, axes: readonly number[]): Shape =>
  shape.filter((extent, axis) => (axes.length === 0 ? extent !== 1 : !axes.includes(axis)));

/** A constant's shape with -1 and 0 filled in. */
function reshaped(from: Shape, target: readonly number[], step: Step): Shape {
  const kept = target.map((extent, i) => (extent === 0 ? (from[i] ?? 0) : extent));
  const known = sizeOf(kept.filter((extent) => extent !== -1));
  const shape = kept.map((extent) => (extent === -1 ? sizeOf(from) / known : extent));
  step.demand(sizeOf(shape) === sizeOf(from), `${sizeOf(from)} numbers`, `[${target.join(", ")}]`);
  return shape;
}

/** Subsamples rows and columns, as shortcuts without convolution do. */
function subsampled(step: Step, of: Flow, steps: readonly number[]): Flow {
  const x = of.every === undefined ? step.flow(0) : of;
  const axes = step.axes(4, 3);
  const [starts, ends] = [step.extents(1).map(Number), step.extents(2).map(Number)];
  const [, , height = 0, width = 0] = step.shape(x);
  const isWhole = axes.every((axis, i) => {
    const [by, start, end] = [steps[i] ?? 1, starts[i], ends[i] ?? 0];
    return (axis === 2 || axis === 3) && by > 0 && start === 0 && end >= (axis === 2 ? height : width);
  });
  step.demand(isWhole && !x.isFlat, "every so many rows and columns, from the first to the last", "others");
  const by = (axis: number) => (axes.includes(axis) ? steps[axes.indexOf(axis)]! : 1);
  const [rows, columns] = x.every ?? [1, 1];
  return { ...x, every: [rows * by(2), columns * by(3)] };
}
