import { ortExecutor } from "../src/executors/ort/executor.node.ts";
import { gradientTests, networkTests } from "./networks.ts";

networkTests("ort", ortExecutor, "quick");
gradientTests("quick");
