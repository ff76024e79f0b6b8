/** The table of network families, and functions for networks of any family. */

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

/** All families; a new one is its file and its row here. */
export const families = { resnet, preact, inception, "inception-v4": inceptionV4, layers, own };

export type FamilySchemas = (typeof families)[keyof typeof families]["schema"];

/** The configuration of a network: the output of its family's schema, told apart by `family`. */
export type ModelConfig = ConfigOf<FamilySchemas>;

addFamilies(families);

/** The row of a network's family. */
export const familyOf = ({ family }: ModelConfig): Family<z.Schema<ModelConfig>> => families[family];

/** The squeeze-and-excitation settings of a network; undefined if it has none. */
export const seOf = (config: ModelConfig): SeConfig | undefined => ("se" in config ? config.se : undefined);

/** The eps of a network's batch norms. */
export const epsOf = (config: ModelConfig): number =>
  ("norm" in config ? config.norm?.eps : undefined) ?? usualNorm.eps;

/** The same network for pictures of `channels` channels; undefined if its family does not allow that. */
export const takingChannels = (config: ModelConfig, channels: number): ModelConfig | undefined =>
  channels === channelsOf(config) ? config : familyOf(config).withChannels?.(config, channels);

/** The same network with another activation; undefined if its family does not allow that. */
export const actingBy = (config: ModelConfig, act: Activation): ModelConfig | undefined =>
  familyOf(config).withAct?.(config, act);

/** The same network with other squeeze-and-excitation settings, if it has any. */
export const withSe = (config: ModelConfig, se: SeConfig): ModelConfig =>
  "se" in config && config.se !== undefined ? { ...config, se } : config;
