import { referenceExecutor } from "../src/executors/reference/reference.ts";
import { networkTests } from "./networks.ts";

networkTests("reference", referenceExecutor);
