/** Numbers, values and whole texts as programs and terminals get them. */

import { escaped, oneLine, unprintable } from "./text.ts";

/** As `oneLine`, for text whose line breaks are our own. */
export const ownLines = (text: string): string => text.split("\n").map(oneLine).join("\n");

/** A number without the dust of its last binary places: 14.000000000000002 is 14, 0.1 + 0.2 is 0.3. */
export const dusted = (value: number): number => (Number.isInteger(value) ? value : Number(value.toPrecision(12)));

/**
 * JSON of the very value (numbers to 12 digits), in which nothing can reach a terminal raw: JSON itself escapes C0 alone.
 */
export const jsonText = (value: unknown, indent?: number): string =>
  JSON.stringify(value, (_, inner: unknown) => (typeof inner === "number" ? dusted(inner) : inner), indent).replace(
    unprintable,
    (character) =>
      // JSON's own line breaks, between the values.
      character === "\n" ? character : escaped(character),
  );

/** A number as a person writes it: `0.3`, not 0.30000000000000004. */
export const plain = (value: number, digits = 6): string => String(Number(value.toPrecision(digits)));

/** An address, or a text that holds some, without names and passwords. */
export const hideCredentials = (text: string): string => text.replace(/(\w+:\/\/)[^/\s]*@/g, "$1");
