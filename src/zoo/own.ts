/**
 * The user's own networks: their layers are defined by a function in the user's program. Files have only the weights;
 * whoever opens one passes the function.
 */

import { SenetError } from "../errors.ts";
import { formatType } from "../ir/graph.ts";
import * as z from "../schema.ts";
import { positive } from "./bounds.ts";
import type { Family } from "./family.ts";
import { type NetworkFunction, needsFunction, ownFamily } from "./own-function.ts";

const schema = z.strictObject({
  family: z.literal(ownFamily),
  /** Channels of the pictures; default: 3. */
  channels: z.exactOptional(positive.check(z.lte(1024))),
  /** Only in memory: JSON omits functions. */
  build: z.exactOptional(z.custom<NetworkFunction>((value) => typeof value === "function", "a function")),
});

export const own: Family<typeof schema> = {
  schema,
  networks: {},
  build(scope, image, { build }, classes) {
    if (build === undefined) return needsFunction(scope.graph.name);
    const logits = build(scope, image, classes);
    const { dtype, shape } = logits.type;
    const wanted = { dtype, shape: [image.type.shape[0]!, classes] };
    if (formatType(logits.type) === formatType(wanted)) return logits;
    throw new SenetError("shape", "what the network's function gives is not a number for each class", {
      where: scope.graph.name,
      expected: formatType(wanted),
      found: `${logits.name}: ${dtype}[${shape.join(", ")}]`,
    });
  },
  imageSize: () => 224,
  fewestTensors: () => 0,
  hasOurNames: false,
  isIn: () => false,
  withStructure: (config) => config,
  withChannels: (config, channels) => ({ ...config, channels }),
  changes: () => [],
};
