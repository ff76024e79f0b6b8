/** Helpers for drawing: short numbers, matching colours, and chance. */

import type { Random } from "../random.ts";

/** A colour as hue (degrees), saturation and lightness (percent): easy to vary and to shade. */
export interface Colour {
  readonly hue: number;
  readonly saturation: number;
  readonly lightness: number;
}

export const colour = (hue: number, saturation: number, lightness: number): Colour => ({
  hue,
  saturation,
  lightness,
});

/** The same colour, lighter (or darker, where `by` is negative), in percent points. */
export const lighter = (c: Colour, by: number): Colour =>
  colour(c.hue, c.saturation, Math.min(97, Math.max(6, c.lightness + by)));

/** The colour in SVG's notation. */
export const css = (c: Colour): string =>
  `hsl(${num(((c.hue % 360) + 360) % 360)},${num(c.saturation)}%,${num(c.lightness)}%)`;

export const white: Colour = colour(45, 30, 97);
export const ink: Colour = colour(230, 30, 16);

/** A number with at most two decimals: short, and independent of how a platform prints the last digit. */
export const num = (value: number): string => String(Math.round(value * 100) / 100);

/** A uniform random number from `low` to `high`. */
export const between = (random: Random, low: number, high: number): number => low + (high - low) * random.uniform();

/** A random whole number from `low` to `high`, inclusive. */
export const whole = (random: Random, low: number, high: number): number => low + random.below(high - low + 1);

/** True with probability `share`. */
export const happens = (random: Random, share: number): boolean => random.uniform() < share;

export const pick = <T>(random: Random, items: readonly T[]): T => items[random.below(items.length)]!;

/** `count` drawings concatenated. */
export const repeat = (count: number, draw: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => draw(index)).join("");

/** The points of a polygon: `x,y x,y ...`. */
export const points = (list: readonly (readonly [number, number])[]): string =>
  list.map(([x, y]) => `${num(x)},${num(y)}`).join(" ");

/** The point at an angle (degrees, clockwise from the top) and a distance from the centre. */
export const polar = (degrees: number, distance: number): readonly [number, number] => {
  const radians = (degrees * Math.PI) / 180;
  return [distance * Math.sin(radians), -distance * Math.cos(radians)];
};
