/**
 * How networks are built, for families whose code is loaded: all of them once `families.ts` has been imported, as any
 * code does that looks up networks by name; otherwise only the most common one, which is all that most pages need.
 */

import * as z from "../schema.ts";
import type { Built } from "./family.ts";
import { builtResnet } from "./resnet-build.ts";

/** The part of a configuration that names the family. */
interface OfFamily {
  readonly family: string;
}

const families = new Map<string, Built<z.ObjectSchema>>();

/** Registers families; called by `families.ts`. */
export function addFamilies(rows: Readonly<Record<string, unknown>>): void {
  for (const [name, row] of Object.entries(rows)) families.set(name, row as Built<z.ObjectSchema>);
}

addFamilies({ resnet: builtResnet });

/** How to build a network of this configuration. */
export function builtBy<Config extends OfFamily>({ family }: Config): Built<z.Schema<Config>> {
  const built = families.get(family);
  if (built === undefined) throw new Error(`networks of the family "${family}" want zoo/families.ts`);
  return built as unknown as Built<z.Schema<Config>>;
}

/** The schema of a network's configuration in a file, for all loaded families. */
export const anyConfig = z.discriminatedUnion("family", () => [...families.values()].map(({ schema }) => schema));

/** Number of input channels of a network. */
export const channelsOf = (config: OfFamily): number =>
  ("channels" in config && typeof config.channels === "number" ? config.channels : undefined) ?? 3;
