import { ortExecutor } from "../src/executors/ort/executor.node.ts";
import { portTrainingTests, quickForms } from "./port-training.ts";

portTrainingTests(quickForms, { ort: ortExecutor });
