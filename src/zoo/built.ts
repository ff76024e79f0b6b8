/**
 * How networks are built, of those families whose code is here: of all where `families.ts` has been loaded, as whoever
 * asks for a network by name has done; else of the usual one, which is all that most pages want.
 */

import * as z from "../schema.ts";
import type { Built } from "./family.ts";
import { builtResnet } from "./resnet-build.ts";

/** As far as it tells which family a network is of. */
interface OfFamily {
  readonly family: string;
}

const families = new Map<string, Built<z.ObjectSchema>>();

/** For `families.ts`: what each is built by. */
export function addFamilies(rows: Readonly<Record<string, unknown>>): void {
  for (const [name, row] of Object.entries(rows)) families.set(name, row as Built<z.ObjectSchema>);
}

addFamilies({ resnet: builtResnet });

/** What a network of this configuration is built by. */
export function builtBy<Config extends OfFamily>({ family }: Config): Built<z.Schema<Config>> {
  const built = families.get(family);
  if (built === undefined) throw new Error(`networks of the family "${family}" want zoo/families.ts`);
  return built as unknown as Built<z.Schema<Config>>;
}

/** The configuration of a network in a file, of any family that is here. */
export const anyConfig = z.discriminatedUnion("family", () => [...families.values()].map(({ schema }) => schema));

/** Channels of the pictures that a network takes. */
export const channelsOf = (config: OfFamily): number =>
  ("channels" in config && typeof config.channels === "number" ? config.channels : undefined) ?? 3;
