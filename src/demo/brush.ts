/** What the drawings share: short numbers, colours that go together, and chance. */

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

/** The text that SVG reads. */
export const css = (c: Colour): string =>
  `hsl(${num(((c.hue % 360) + 360) % 360)},${num(c.saturation)}%,${num(c.lightness)}%)`;

export const white: Colour = colour(45, 30, 97);
export const ink: Colour = colour(230, 30, 16);

/** A number with at most two decimals: shorter text, and no trace of how a platform prints the last digit. */
export const num = (value: number): string => String(Math.round(value * 100) / 100);

/** A number from `low` to `high`, evenly. */
export const between = (random: Random, low: number, high: number): number => low + (high - low) * random.uniform();

/** A whole number from `low` to `high`, both included. */
export const whole = (random: Random, low: number, high: number): number => low + random.below(high - low + 1);

/** True in `share` of the cases. */
export const happens = (random: Random, share: number): boolean => random.uniform() < share;

export const pick = <T>(random: Random, items: readonly T[]): T => items[random.below(items.length)]!;

/** `count` drawings one after the other. */
export const repeat = (count: number, draw: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => draw(index)).join("");

/** `x,y x,y ...`, for a polygon. */
export const points = (list: readonly (readonly [number, number])[]): string =>
  list.map(([x, y]) => `${num(x)},${num(y)}`).join(" ");

/** The point at an angle (degrees, clockwise from the top) and a distance from the middle. */
export const polar = (degrees: number, distance: number): readonly [number, number] => {
  const radians = (degrees * Math.PI) / 180;
  return [distance * Math.sin(radians), -distance * Math.cos(radians)];
};
