/** The table of the families, and what can be asked of a network of any of them. */

import { type Activation, usualNorm } from "../nn/layers.ts";
import type * as z from "../schema.ts";
import { addFamilies, channelsOf } from "./built.ts";
import type { ConfigOf, Family } from "./family.ts";
import { inception } from "./inception.ts";
import { inceptionV4 } from "./inception-v4.ts";
import { layers } from "./layers.ts";
import { own } from "./own.ts";
import type { SeConfig } from "./parts.ts";
import { preact } from "./preact.ts";
import { resnet } from "./resnet.ts";

/** Which function builds a network, and all that goes with it. A new family is its file and its row here. */
export const families = { resnet, preact, inception, "inception-v4": inceptionV4, layers, own };

export type FamilySchemas = (typeof families)[keyof typeof families]["schema"];

/** What a network is made of: the output of its family's schema, told apart by `family`. */
export type ModelConfig = ConfigOf<FamilySchemas>;

addFamilies(families);

/** The row of a network's family, which takes this network. */
export const familyOf = ({ family }: ModelConfig): Family<z.Schema<ModelConfig>> => families[family];

/** Squeeze and excitation of a network; families that cannot have it, and networks without it, have none. */
export const seOf = (config: ModelConfig): SeConfig | undefined => ("se" in config ? config.se : undefined);

/** What a network's batch norms add to the variance. */
export const epsOf = (config: ModelConfig): number =>
  ("norm" in config ? config.norm?.eps : undefined) ?? usualNorm.eps;

/** The same network for pictures of so many channels; undefined where its family takes no other. */
export const takingChannels = (config: ModelConfig, channels: number): ModelConfig | undefined =>
  channels === channelsOf(config) ? config : familyOf(config).withChannels?.(config, channels);

/** The same network with another activation between its layers; undefined where its family has no choice of them. */
export const actingBy = (config: ModelConfig, act: Activation): ModelConfig | undefined =>
  familyOf(config).withAct?.(config, act);

/** The same network with other squeeze and excitation, if it has any. */
export const withSe = (config: ModelConfig, se: SeConfig): ModelConfig =>
  "se" in config && config.se !== undefined ? { ...config, se } : config;
