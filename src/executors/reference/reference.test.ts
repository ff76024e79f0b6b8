import { conformance } from "../../../tests/conformance.ts";
import { reference } from "./reference.ts";

conformance({ name: "reference", executor: reference, tolerance: 1e-10, dtypes: ["float64"] });
conformance({ name: "reference", executor: reference, tolerance: 1e-5, dtypes: ["float32"] });
