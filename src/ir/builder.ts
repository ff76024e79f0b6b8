/**
 * `GraphBuilder` with the shape rules of all operations. Pages avoid this import until they train or explain, since it
 * loads the rules of training's operations.
 */

import "./infer-training.ts";

export * from "./graph-builder.ts";
