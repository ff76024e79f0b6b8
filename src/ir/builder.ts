/**
 * Builds graphs with all operations: those of training as well, whose shapes a page does not load before it trains or
 * explains.
 */

import "./infer-training.ts";

export * from "./graph-builder.ts";
