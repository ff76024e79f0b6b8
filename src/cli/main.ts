/** The `senet` command: the table of commands, and the one place where errors become messages and exit codes. */

import { Command } from "commander";
import { cut } from "../text.ts";
import { packageFacts } from "../version.node.ts";
import { appCommand } from "./commands/app.ts";
import { benchmarkCommand } from "./commands/benchmark.ts";
import { classifyCommand } from "./commands/classify.ts";
import { convertCommand } from "./commands/convert.ts";
import { dataCommand } from "./commands/data.ts";
import { demoCommand } from "./commands/demo.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { evaluateCommand } from "./commands/evaluate.ts";
import { explainCommand } from "./commands/explain.ts";
import { exportCommand } from "./commands/export.ts";
import { lrFindCommand } from "./commands/lr-find.ts";
import { modelsCommand } from "./commands/models.ts";
import { pruneCommand } from "./commands/prune.ts";
import { pullCommand } from "./commands/pull.ts";
import { quantizeCommand } from "./commands/quantize.ts";
import { recipesCommand } from "./commands/recipes.ts";
import { reportCommand } from "./commands/report.ts";
import { serveCommand } from "./commands/serve.ts";
import { trainCommand } from "./commands/train.ts";
import { verifyCommand } from "./commands/verify.ts";
import { report } from "./faults.ts";
import { isHangupIgnored } from "./interrupt.ts";
import { printLines, sayLines, watchOutput } from "./output.ts";
import { flagOfOtherName } from "./train-config.ts";

const commands = [
  demoCommand,
  trainCommand,
  reportCommand,
  lrFindCommand,
  evaluateCommand,
  classifyCommand,
  explainCommand,
  pruneCommand,
  serveCommand,
  appCommand,
  dataCommand,
  modelsCommand,
  recipesCommand,
  pullCommand,
  quantizeCommand,
  exportCommand,
  convertCommand,
  verifyCommand,
  benchmarkCommand,
  doctorCommand,
];

/** Runs the command as this process's only job. */
export async function main(argv: readonly string[]): Promise<void> {
  const end = (error: unknown) => process.exit(report(error));
  watchOutput(end);
  process.on("uncaughtException", end);
  if (isHangupIgnored()) process.on("SIGHUP", () => {});
  await run(argv);
}

/**
 * Runs one command. `process.exitCode` is then 0 or unset: done; 1: failed; 2: wrong usage; 130: interrupted; 141: the
 * reader of standard output is gone.
 */
export async function run(argv: readonly string[]): Promise<void> {
  try {
    await programOf().parseAsync(argv);
  } catch (error) {
    process.exitCode = report(error);
  }
}

/** The parser with all commands and their options. */
export function programOf(): Command {
  const { version, description } = packageFacts();
  const program = new Command("senet").description(description).version(version);
  program.addHelpText("after", "\nStart with:\n  senet demo\n  senet COMMAND --help");
  for (const register of commands) register(program);
  for (const command of withItsCommands(program)) {
    command
      .exitOverride()
      .showHelpAfterError("(--help shows all options)")
      .configureOutput({
        writeOut: (text) => printLines(text.replace(/\n$/, "")),
        writeErr: (text) => sayLines(text.replace(/\n$/, "")),
        outputError: (text, write) => write(commandFault(text, command)),
      });
  }
  return program;
}

/** The command and its subcommands, recursively. */
const withItsCommands = (command: Command): Command[] => [command, ...command.commands.flatMap(withItsCommands)];

/** Commander's message with what the user typed made safe; its only own line break comes before its suggestion. */
function commandFault(text: string, { options }: Command): string {
  const [fault, ...suggestion] = text.trimEnd().split(/\n(?=\(Did you mean )/);
  const meant = flagOfOtherName(/^error: unknown option '--([\w-]+)'$/.exec(fault!)?.[1] ?? "");
  if (options.some(({ long }) => long === meant)) return `${fault}\n(Here it is ${meant})`;
  return [fault!, ...suggestion].map((line) => cut(line, 800)).join("\n");
}
