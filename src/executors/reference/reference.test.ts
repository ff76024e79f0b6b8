import { conformance } from "../../../tests/conformance.ts";
import { referenceExecutor } from "./reference.ts";

conformance({ name: "reference", executor: referenceExecutor, tolerance: 1e-10, dtypes: ["float64"] });
conformance({ name: "reference", executor: referenceExecutor, tolerance: 1e-5, dtypes: ["float32"] });
