import { test } from "node:test";
import { ortExecutor } from "../src/executors/ort/executor.node.ts";
import { referenceExecutor } from "../src/executors/reference/reference.ts";
import { describeExecutors, selectExecutor } from "../src/executors/select.node.ts";
import { gradientTests, networkTests } from "./networks.ts";

networkTests("reference", referenceExecutor, "quick");
networkTests("reference", referenceExecutor, "rest");
networkTests("ort", ortExecutor, "rest");
gradientTests();
const onednn = (await describeExecutors()).find(({ name }) => name === "onednn")!;
if (!onednn.available) test("onednn", { skip: onednn.description }, () => {});
else networkTests("onednn", (await selectExecutor({ name: "onednn" })).executor, "rest");
