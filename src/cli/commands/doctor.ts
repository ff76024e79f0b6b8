/** `senet doctor`: the engines and processors found on this machine, what would be chosen, and why. */

import { arch, cpus, freemem, platform, totalmem } from "node:os";
import type { Command } from "commander";
import { measureSpeeds, type Speed, speedPrecisions, speedWorkload } from "../../evaluate/speed.node.ts";
import { describeExecutors, forgetChoices, measuredChoices, selectExecutor } from "../../executors/select.node.ts";
import { describeDecoder } from "../../images/decode.node.ts";
import { describeThreads, instructionSets, usableThreads } from "../../machine.node.ts";
import { describeMpi } from "../../mpi/describe.node.ts";
import { jsonOption } from "../options.ts";
import { print, printJson, printLines, say, table } from "../output.ts";

export function doctorCommand(program: Command): void {
  program
    .command("doctor")
    .description("show what was found on this machine, how fast it is, what would be chosen, and why")
    .option("--no-speed", "do not measure how fast a small network runs, which takes a few seconds")
    .option("--forget", "forget what oneDNN was measured to be faster with; it is measured again when needed")
    .addOption(jsonOption())
    .addHelpText("after", "\nExamples:\n  senet doctor\n  senet doctor --no-speed\n  senet doctor --json")
    .action(async ({ json, speed, forget }: { json?: true; speed: boolean; forget?: true }) => {
      if (forget === true) say(`${await forgetChoices()} measurements were forgotten`);
      const executors = await describeExecutors();
      const chosen = {
        training: await selectExecutor({ purpose: "training" }),
        inference: await selectExecutor({ purpose: "inference" }),
        auto: await selectExecutor({ purpose: "inference", precision: "auto" }),
        int8: await selectExecutor({ purpose: "inference", inEightBits: true }),
      };
      const speeds = speed ? await measureSpeeds() : [];
      // Includes the choices that were just measured.
      const remembered = await measuredChoices();
      const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
      const facts = {
        node: process.version,
        platform: `${platform()} ${arch()}`,
        processor: `${cpus()[0]?.model.trim() ?? "unknown"}${listed(instructionSets())}`,
        threads: describeThreads(),
        memory: `${gib(totalmem())}, ${gib(freemem())} free`,
        pictures: describeDecoder(),
        mpi: describeMpi(),
      };
      if (json === true) {
        const reasons = Object.fromEntries(
          Object.entries(chosen).map(([purpose, { executor, reason }]) => [
            purpose,
            { executor: executor.name, reason },
          ]),
        );
        const measured = speed ? { speed: { ...speedWorkload, executors: speeds } } : {};
        printJson(
          { ...facts, threads: usableThreads(), executors, chosen: reasons, choices: remembered, ...measured },
          2,
        );
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
      if (speeds.length > 0) {
        printLines(speedTable(speeds));
        print();
      }
      if (remembered.length > 0) {
        print("what oneDNN was measured to be faster with (senet doctor --forget), and what else there was:");
        for (const line of remembered) print(`  ${line}`);
        print();
      }
      for (const [purpose, { executor, reason }] of Object.entries(chosen)) {
        print(`${purposes[purpose as keyof typeof chosen]}: ${executor.name}, ${reason}`);
      }
    });
}

/** Purposes for which an executor is chosen, as the text names them. */
const purposes = {
  training: "for training",
  inference: "for inference",
  auto: "for inference with --precision auto",
  int8: "for networks in eight bits",
} as const;

const listed = (sets: readonly string[]): string => (sets.length === 0 ? "" : ` (${sets.join(", ")})`);

function speedTable(speeds: readonly Speed[]): string {
  const { model, imageSize, batchSize } = speedWorkload;
  const rates = table(
    ["images/s", ...speedPrecisions],
    speeds.map(({ executor, imagesPerSecond }) => [
      executor,
      ...speedPrecisions.map((precision) => imagesPerSecond[precision]?.toFixed(1) ?? ""),
    ]),
  );
  return `${rates}\n${model}, ${imageSize} pixels, ${batchSize} pictures a run, the fastest of a few runs`;
}
