import { ortExecutor } from "../src/executors/ort/executor.node.ts";
import { onednnOrReason } from "./onednn.ts";
import { portTrainingTests, quickForms, slowForms } from "./port-training.ts";

const onednn = onednnOrReason("float32");
const both = { ort: ortExecutor, ...(typeof onednn !== "string" && { onednn }) };
portTrainingTests([...quickForms, ...slowForms], both);
