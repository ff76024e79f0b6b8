import { test } from "node:test";
import { explainSuite } from "../../tests/explain.ts";
import { onednnOrReason } from "../../tests/onednn.ts";
import { ortExecutor } from "../executors/ort/executor.node.ts";
import { referenceExecutor } from "../executors/reference/reference.ts";

explainSuite(referenceExecutor, "quick");
explainSuite(ortExecutor, "rest");

const onednn = onednnOrReason("float32");
if (typeof onednn === "string") test("onednn", { skip: onednn }, () => {});
else explainSuite(onednn, "all");
