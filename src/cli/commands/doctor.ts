/** `senet doctor`: the engines and processors found on this machine, what would be chosen and why, and what could be better. */

import { arch, cpus, freemem, platform, totalmem } from "node:os";
import type { Command } from "commander";
import { option } from "../../errors.ts";
import { measureSpeeds, type Speed, speedPrecisions, speedWorkload } from "../../evaluate/speed.node.ts";
import {
  describeExecutors,
  forgetChoices,
  type MeasuredChoice,
  measuredChoices,
  type Selection,
  selectExecutor,
  summariesOfChoices,
  tellChoice,
} from "../../executors/select.node.ts";
import { cacheFault } from "../../files/cache.node.ts";
import { describeDecoder } from "../../images/decode.node.ts";
import { describeThreads, instructionSets, usableThreads } from "../../machine.node.ts";
import { describeMpi } from "../../mpi/describe.node.ts";
import { gibibytes } from "../../text-output.ts";
import { withFlags } from "../flags.ts";
import { jsonOption } from "../options.ts";
import { print, printJson, printLines, say, table } from "../output.ts";

interface DoctorOptions {
  readonly speed: boolean;
  readonly verbose?: true;
  readonly forget?: true;
  readonly json?: true;
}

export function doctorCommand(program: Command): void {
  program
    .command("doctor")
    .description(
      "show this machine's engines and their speed, which one senet chooses and why, and what could be better",
    )
    .option("--no-speed", "do not measure how fast a small network runs, which takes seconds")
    .option("--verbose", "list the networks for which oneDNN was measured")
    .option("--forget", "forget oneDNN's measurements; they are repeated when needed")
    .addOption(jsonOption())
    .addHelpText(
      "after",
      "\nExamples:\n  senet doctor\n  senet doctor --no-speed --verbose\n  senet doctor --forget\n  senet doctor --json",
    )
    .action(doctor);
}

async function doctor(options: DoctorOptions): Promise<void> {
  if (options.forget === true) say(`${forgetChoices()} measurements were forgotten`);
  const executors = await describeExecutors();
  const chosen = {
    training: await selectExecutor({ purpose: "training" }),
    inference: await selectExecutor({ purpose: "inference" }),
    auto: await selectExecutor({ purpose: "inference", precision: "auto" }),
    int8: await selectExecutor({ purpose: "inference", inEightBits: true }),
  };
  const speeds = options.speed ? await measureSpeeds() : [];
  const processor = cpus()[0]?.model.trim() ?? "unknown";
  // Includes the choices that were just measured; where machines share the folder, only those of this processor.
  const choices = measuredChoices().filter((found) => found.processor === processor);
  const unkept = cacheFault();
  const advice = [
    ...executors.flatMap(({ name, advice }) => advice.map((line) => `${name}: ${line}`)),
    ...(unkept === undefined ? [] : [`${unkept}; measurements and downloads are not kept`]),
    ...slowerChoices({ float32: chosen.inference, int8: chosen.int8 }, speeds),
  ].map(withFlags);
  const facts = {
    node: process.version,
    platform: `${platform()} ${arch()}`,
    processor: `${processor}${listed(instructionSets())}`,
    threads: describeThreads(),
    memory: `${gibibytes(totalmem())}, ${gibibytes(freemem())} free`,
    pictures: describeDecoder(),
    mpi: describeMpi(),
  };
  if (options.json === true) {
    const reasons = Object.fromEntries(
      Object.entries(chosen).map(([purpose, { executor, reason }]) => [purpose, { executor: executor.name, reason }]),
    );
    const measured = options.speed ? { speed: { ...speedWorkload, threads: 1, executors: speeds } } : {};
    printJson({ ...facts, threads: usableThreads(), executors, chosen: reasons, choices, ...measured, advice }, 2);
    return;
  }
  for (const [name, fact] of Object.entries(facts)) print(`${name.padEnd(11)}${fact}`);
  print();
  const rows = executors.map((e) => [e.name, e.available ? "yes" : "no", e.description]);
  printBlock(table(["executor", "available", "what it is"], rows));
  if (speeds.length > 0) printBlock(speedTable(speeds));
  if (choices.length > 0 && executors.some(({ name, available }) => name === "onednn" && available))
    printBlock(choicesText(choices, options.verbose === true));
  for (const [purpose, { executor, reason }] of Object.entries(chosen)) {
    print(`${purposes[purpose as keyof typeof chosen]}: ${executor.name}, ${reason}`);
  }
  print();
  if (advice.length === 0) print("nothing is amiss");
  for (const line of advice) print(`to look at: ${line}`);
}

/** Followed by an empty line. */
function printBlock(lines: string): void {
  printLines(lines);
  print();
}

/** What an executor is chosen for, in the words of the text. */
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
  return `${rates}\n${model}, ${imageSize} pixels, ${batchSize} pictures a run; one thread, by the time that it has a processor: also true on a busy machine`;
}

/** What is slower than this is slower. */
const tolerance = 0.75;

/**
 * Notes a difference between the measurement of the small network and the engine that senet chooses, since processors
 * differ.
 */
function slowerChoices(
  chosen: Readonly<Record<"float32" | "int8", Selection>>,
  speeds: readonly Speed[],
): readonly string[] {
  return (["float32", "int8"] as const).flatMap((precision) => {
    const rates = new Map(speeds.map(({ executor, imagesPerSecond }) => [executor, imagesPerSecond[precision] ?? 0]));
    const { name } = chosen[precision].executor;
    const own = rates.get(name);
    const [fastest, rate] = [...rates].reduce((most, one) => (one[1] > most[1] ? one : most), ["", 0]);
    if (own === undefined || own > tolerance * rate) return [];
    const times = (rate / own).toFixed(1);
    return [
      `in ${precision} the small network is ${times} times as fast on ${fastest} as on ${name}: ${option("executor")} ${fastest}; senet benchmark measures yours`,
    ];
  });
}

/** How many networks are listed without `--verbose`. */
const most = 8;

function choicesText(choices: readonly MeasuredChoice[], isVerbose: boolean): string {
  const summaries = summariesOfChoices(choices);
  const title = `${choices.length} measurements of oneDNN (--verbose lists them, --forget deletes them)`;
  if (isVerbose) return [title, ...choices.map((found) => `  ${tellChoice(found)}`)].join("\n");
  const rows = summaries
    .slice(0, most)
    .map(({ graph, count, chosen }) => [
      ...[graph, `${count}`],
      chosen.map(([way, times]) => (times === count ? way : `${way} (${times})`)).join(", "),
    ]);
  const rest = summaries.length > most ? [`and ${summaries.length - most} more networks`] : [];
  return [`${title}:`, table(["network", "measured", "decided"], rows), ...rest].join("\n");
}
