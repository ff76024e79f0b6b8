/** Entry of the thread that parses large bodies. */

import { parentPort } from "node:worker_threads";
import { answerOrders } from "./message.node.ts";
import { type ReadOrder, readBody } from "./reader.node.ts";
import { stepBack } from "./step-back.node.ts";

stepBack();
answerOrders<ReadOrder>(parentPort!, (order) => {
  const value = readBody(order);
  const arrays =
    "images" in value ? value.images : value.pictures.flatMap((one) => ("bytes" in one ? [one.bytes] : []));
  return { value, buffers: arrays.map(({ buffer }) => buffer as ArrayBuffer) };
});
