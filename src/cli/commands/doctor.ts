/** `senet doctor`: what was found on this machine, what would be chosen, and why. */

import { arch, cpus, freemem, platform, totalmem } from "node:os";
import type { Command } from "commander";
import { describeExecutors, type Selection, selectExecutor } from "../../executors/select.node.ts";
import { describeDecoder } from "../../images/decode.node.ts";
import { describeThreads, usableThreads } from "../../machine.node.ts";
import { jsonOption } from "../options.ts";
import { print, printJson, printLines, table } from "../output.ts";

export function doctorCommand(program: Command): void {
  program
    .command("doctor")
    .description("show what was found on this machine, what would be chosen, and why")
    .addOption(jsonOption())
    .addHelpText("after", "\nExamples:\n  senet doctor\n  senet doctor --json")
    .action(async ({ json }: { json?: true }) => {
      const executors = await describeExecutors();
      const chosen = {
        training: await selectExecutor({ purpose: "training" }),
        inference: await selectExecutor({ purpose: "inference" }),
      };
      const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
      const facts = {
        node: process.version,
        platform: `${platform()} ${arch()}`,
        processor: cpus()[0]?.model ?? "unknown",
        threads: describeThreads(),
        memory: `${gib(totalmem())}, ${gib(freemem())} free`,
        pictures: describeDecoder(),
      };
      if (json === true) {
        const { training, inference } = chosen;
        const reasons = { training: nameAndReason(training), inference: nameAndReason(inference) };
        printJson({ ...facts, threads: usableThreads(), executors, chosen: reasons }, 2);
        return;
      }
      for (const [name, fact] of Object.entries(facts)) print(`${name.padEnd(11)}${fact}`);
      print();
      printLines(
        table(
          ["executor", "available", "what it is"],
          executors.map((e) => [e.name, e.available ? "yes" : "no", e.description]),
        ),
      );
      print();
      for (const [purpose, { executor, reason }] of Object.entries(chosen)) {
        print(`for ${purpose}: ${executor.name}, ${reason}`);
      }
    });
}

const nameAndReason = ({ executor, reason }: Selection) => ({ executor: executor.name, reason });
