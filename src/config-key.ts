/** A key of a training's configuration: its schema, and how the command line has it. */

import type * as z from "./schema.ts";

export interface OptionFacts {
  /**
   * What it does, for `--help`, which adds the default where that is a value. Of what is on by default: what is left out
   * without it, since its flag begins with `no-`.
   */
  readonly help: string;
  /** The flag, where it is not the key's own name with hyphens. */
  readonly flag?: string;
  /** What `--help` calls the flag's value; default: after the schema. */
  readonly value?: string;
  /** Whether the flag takes the word `auto` as well; who reads the configuration replaces it. */
  readonly auto?: boolean;
}

const facts = new WeakMap<z.Schema, OptionFacts>();

/** A key for a fragment of the configuration (config.ts has them all). */
export function configKey<T extends z.Schema>(schema: T, help: string, more: Omit<OptionFacts, "help"> = {}): T {
  // A clone, since schemas are shared between keys.
  const own = { ...schema };
  facts.set(own, { help, ...more });
  return own;
}

/** What `configKey` was told of a key; `undefined` for one that only files have. */
export const factsOf = (schema: z.Schema): OptionFacts | undefined => facts.get(schema);
