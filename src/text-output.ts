/** Formats numbers, values and texts for programs and terminals. */

import { escaped, oneLine, unprintable } from "./text.ts";

/** Like `oneLine`, but keeps line breaks, for text whose line breaks are ours. */
export const ownLines = (text: string): string => text.split("\n").map(oneLine).join("\n");

/** Removes rounding errors in the last digits: 14.000000000000002 becomes 14, 0.1 + 0.2 becomes 0.3. */
export const dusted = (value: number): number => (Number.isInteger(value) ? value : Number(value.toPrecision(12)));

/** JSON of a value (numbers to 12 digits) that is safe for terminals: JSON itself only escapes C0 characters. */
export const jsonText = (value: unknown, indent?: number): string =>
  JSON.stringify(value, (_, inner: unknown) => (typeof inner === "number" ? dusted(inner) : inner), indent).replace(
    unprintable,
    (character) =>
      // Line breaks of the formatting stay.
      character === "\n" ? character : escaped(character),
  );

/** A number as people write it: `0.3`, not 0.30000000000000004. */
export const plain = (value: number, digits = 6): string => String(Number(value.toPrecision(digits)));

/** Bytes as people read them: `1.5 GiB`. */
export const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

/** Removes user names and passwords from addresses in a text. */
export const hideCredentials = (text: string): string => text.replace(/(\w+:\/\/)[^/\s]*@/g, "$1");
