/** Reads the options of Caffe's layers, and refuses unsupported values, naming the layer. */

import { allOf, type CaffeMessage, oneOf } from "../formats/prototxt.ts";
import { shortPadding } from "../ir/window.ts";
import type { Step } from "./caffe-layers.ts";

/** The layer's message of this name; empty if there is none. */
export const parameterOf = ({ message }: Step, field: string): CaffeMessage =>
  oneOf(message, field, "message", { where: message.where, fields: new Map() });

/** The only input. */
export function only(step: Step, inputs: readonly Step[] = step.inputs): Step {
  return inputs.length === 1 ? inputs[0]! : wrongInputs(step, "1");
}

export function wrongInputs(step: Step, expected: string): never {
  return step.fail(`a ${step.type} layer with this number of inputs is not supported`, {
    expected: `${expected} bottoms`,
    found: `${step.inputs.length}`,
  });
}

/** Checks that an axis is the channels', counted from either end of four. */
export function mustBeChannels(step: Step, p: CaffeMessage, option: string): void {
  must(
    step,
    option,
    [oneOf(p, option, "number", 1)].map((axis) => (axis === -3 ? 1 : axis)),
    1,
  );
}

/** Checks that an option has only this value. */
export function must(step: Step, option: string, values: readonly number[], value: number): void {
  const other = values.find((found) => found !== value);
  if (other !== undefined) step.fail(`this ${option} is not supported`, { expected: `${value}`, found: `${other}` });
}

const mostExtent = 2 ** 20;
const isWhole = (value: number, least: number): boolean =>
  Number.isInteger(value) && value >= least && value < mostExtent;

/** A whole number from `least` to 2^20. */
export function whole(step: Step, message: CaffeMessage, field: string, fallback: number, least: number): number {
  const value = oneOf(message, field, "number", fallback);
  if (!isWhole(value, least)) {
    step.fail(`the field ${field} is missing or not usable`, {
      expected: `a whole number from ${least} to ${mostExtent - 1}`,
      found: `${value}`,
    });
  }
  return value;
}

/** Values for rows and columns: one for both, one each, or separate fields. */
export function pair(
  step: Step,
  message: CaffeMessage,
  [both, high, wide]: readonly [string, string, string],
  fallback: number,
  least: number,
): readonly [height: number, width: number] {
  const given = allOf(message, both, "number");
  const [heights, widths] = [high, wide].map((field) => allOf(message, field, "number"));
  const isSplit = message.fields.has(high) || message.fields.has(wide);
  const values = isSplit ? [...heights!, ...widths!] : given.length === 0 ? [fallback] : given;
  const [height, width = height] = values;
  const isFine =
    values.length <= 2 &&
    (!isSplit || (heights!.length === 1 && widths!.length === 1 && given.length === 0)) &&
    values.every((value) => isWhole(value, least));
  return isFine
    ? [height!, width!]
    : step.fail(`this ${both} is not supported`, {
        expected: `a number of at least ${least}, or one for the height and one for the width`,
        found: [...given, ...heights!, ...widths!].join(", "),
      });
}

/** Symmetric padding from rows and columns. */
export const around = ([rows, columns]: readonly [number, number]) =>
  shortPadding({ top: rows, left: columns, bottom: rows, right: columns });
