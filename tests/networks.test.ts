import { ortExecutor } from "../src/executors/ort/executor.node.ts";
import { networkTests } from "./networks.ts";

networkTests("ort", ortExecutor, "quick");
