/** A key of the training configuration: its schema, and how it appears on the command line. */

import type * as z from "./schema.ts";

export interface OptionFacts {
  /**
   * What it does, for `--help`, which adds the default value if there is one. For a key that is on by default, what
   * turning it off does, since its flag begins with `no-`.
   */
  readonly help: string;
  /** The flag; default: the key's name with hyphens. */
  readonly flag?: string;
  /** What `--help` calls the flag's value; default: derived from the schema. */
  readonly value?: string;
  /** Whether the flag also takes the word `auto`, which is resolved before the configuration is checked. */
  readonly auto?: boolean;
}

const facts = new WeakMap<z.Schema, OptionFacts>();

/** Declares a key for one part of the configuration (train/config.ts lists the parts). */
export function configKey<T extends z.Schema>(schema: T, help: string, more: Omit<OptionFacts, "help"> = {}): T {
  // A clone, since schemas are shared between keys.
  const own = { ...schema };
  facts.set(own, { help, ...more });
  return own;
}

/** What `configKey` was told about a key; `undefined` for a key that has no flag. */
export const factsOf = (schema: z.Schema): OptionFacts | undefined => facts.get(schema);
