/**
 * A process of a program that trains by the library. `node mpi-library.js EXAMPLE`: the second one asks for pictures that
 * are not there. `node mpi-library.js "no folder"`: each says where its run went.
 */

import { pathToFileURL } from "node:url";
import { openJob, train } from "../src/index.node.ts";

const [, , what] = process.argv;
const job = await openJob();
if (what === "no folder") {
  const { best, finished } = await train("pictures", {
    ...{ ranks: job, model: "se-resnet-8", imageSize: 16, epochs: 1, batchSize: 4 },
    ...{ executor: "reference", report: false },
  });
  console.log(`${best} ${finished}`);
  await job.close();
} else {
  process.argv[2] = job.rank === 1 ? "no-such-folder" : "pictures";
  process.argv[3] = "otherwise";
  await import(pathToFileURL(what!).href);
}
