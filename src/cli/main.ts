/** The `senet` command: a table of commands, and one place where errors become words and exit codes. */

import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { SenetError } from "../errors.ts";
import { benchmarkCommand } from "./commands/benchmark.ts";
import { classifyCommand } from "./commands/classify.ts";
import { convertCommand } from "./commands/convert.ts";
import { demoCommand } from "./commands/demo.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { evaluateCommand } from "./commands/evaluate.ts";
import { exportCommand } from "./commands/export.ts";
import { modelsCommand } from "./commands/models.ts";
import { pullCommand } from "./commands/pull.ts";
import { trainCommand } from "./commands/train.ts";

const commands = [
  demoCommand,
  trainCommand,
  evaluateCommand,
  classifyCommand,
  modelsCommand,
  pullCommand,
  exportCommand,
  convertCommand,
  benchmarkCommand,
  doctorCommand,
];

/** Exit codes: 0 done, 1 it went wrong, 2 it was asked for wrongly, 130 interrupted. */
export async function main(argv: readonly string[]): Promise<void> {
  const packageFile = new URL("../../../package.json", import.meta.url);
  const { version, description } = JSON.parse(readFileSync(packageFile, "utf8")) as Record<string, string>;
  const program = new Command("senet").description(description!).version(version!);
  program.addHelpText("after", "\nStart with:\n  senet demo\n  senet COMMAND --help");
  for (const register of commands) register(program);
  for (const command of [program, ...program.commands])
    command.exitOverride().showHelpAfterError("(--help shows all options)");
  try {
    await program.parseAsync(argv);
  } catch (error) {
    process.exitCode = report(error);
  }
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof SenetError) {
    process.stderr.write(`senet: ${error.message}\n`);
    return error.code === "usage" ? 2 : 1;
  }
  // Not foreseen: the trace is what a bug report needs.
  process.stderr.write(`senet: this is a bug in senet\n${error instanceof Error ? error.stack : String(error)}\n`);
  return 1;
}
