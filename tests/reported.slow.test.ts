import { join } from "node:path";
import { test } from "node:test";
import { writeDemoPictures } from "../src/demo/write.node.ts";
import { model } from "../src/zoo/index.ts";
import { temporaryFolder } from "./command.ts";
import { assertReported } from "./reported.ts";

test("the report of a run of SE-BN-Inception has its gates", async () => {
  const { folder, classes: labels } = await writeDemoPictures(join(temporaryFolder(), "pictures"), {
    ...{ trainPerClass: 1, valPerClass: 1, heldBackPerClass: 1, size: 32 },
  });
  await assertReported(model("se-bn-inception", labels.length), 10, { folder, labels, imageSize: 32 });
});
