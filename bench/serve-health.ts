/**
 * Checks a server's health regularly, in a separate thread, so that other clients here do not delay the measurement.
 */

import { Agent, get } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";

const { port, milliseconds } = workerData as { readonly port: number; readonly milliseconds: number };
const agent = new Agent({ keepAlive: true });

/** Milliseconds until the complete answer. */
function ask(): Promise<number> {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    get({ agent, port, path: "/v2/health/ready" }, (answer) =>
      answer.on("end", () => resolve(performance.now() - start)).resume(),
    ).on("error", reject);
  });
}

const times: number[] = [];
await ask();
for (const end = performance.now() + milliseconds; performance.now() < end; ) {
  times.push(await ask());
  await sleep(20);
}
agent.destroy();
parentPort!.postMessage(times);
