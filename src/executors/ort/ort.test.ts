import { conformance } from "../../../tests/conformance.ts";
import { ortExecutor } from "./executor.node.ts";

conformance({ name: "ort", executor: ortExecutor, tolerance: 1e-5, dtypes: ["float32"] });
