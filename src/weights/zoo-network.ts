/** Finds the zoo network that a file's names and shapes suggest, for files that also define their computation. */

import { SenetError } from "../errors.ts";
import { withoutPrefix, withPlainHead } from "../import/bare.ts";
import { findModel } from "../import/find-model.ts";
import type { Naming } from "../import/naming.ts";
import { detectNaming, isKnown, renameTensors, type WeightSource } from "../import/rename.ts";
import { computesTheSame } from "../import/same-network.ts";
import type { Tensor } from "../tensor.ts";
import { epsOf } from "../zoo/families.ts";
import { inferenceGraph, type Model } from "../zoo/index.ts";

export interface ZooNetwork {
  readonly model: Model;
  readonly weights: Map<string, Tensor>;
  readonly naming: Naming;
}

/** The network by names and shapes; undefined if none fits. */
export function zooNetwork(given: WeightSource, where: string): ZooNetwork | undefined {
  try {
    const bare = withoutPrefix(given, where).source;
    if (!isKnown(bare)) return undefined;
    const naming = detectNaming(bare, where);
    const source = withPlainHead(bare, naming);
    const { model, parameters } = findModel(source, naming, where);
    const wanted = { name: model.name, parameters, eps: epsOf(model.config) };
    return { model, weights: renameTensors(source, wanted, naming, where), naming };
  } catch (error) {
    if (error instanceof SenetError) return undefined;
    throw error;
  }
}

/** The network built from the file's definition or graph. */
export interface Defined {
  readonly model: Model;
  readonly weights: ReadonlyMap<string, Tensor>;
  /** Side of its pictures. */
  readonly imageSize: number;
}

/** Whether the zoo's network computes the same as the file's definition, with the same weights. */
export function isSameNetwork(zoo: ZooNetwork, { model, weights, imageSize }: Defined): boolean {
  const graph = (of: Model) => inferenceGraph(of, { batch: 1, imageSize });
  try {
    return computesTheSame({ graph: graph(zoo.model), weights: zoo.weights }, { graph: graph(model), weights });
  } catch (error) {
    // The zoo's network does not support this image size.
    if (error instanceof SenetError) return false;
    throw error;
  }
}
