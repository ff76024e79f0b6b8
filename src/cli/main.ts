/** The `senet` command: a table of commands, and one place where errors become words and exit codes. */

import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { SenetError } from "../errors.ts";
import { ioError } from "../files/files.node.ts";
import { cut, fitted } from "../text.ts";
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
import { isHangupIgnored } from "./interrupt.ts";
import { OutputClosed, printLines, sayLines, watchOutput } from "./output.ts";

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

/** The command as a process of its own. */
export async function main(argv: readonly string[]): Promise<void> {
  const end = (error: unknown) => process.exit(report(error));
  watchOutput(end);
  process.on("uncaughtException", end);
  if (isHangupIgnored()) process.on("SIGHUP", () => {});
  await run(argv);
}

/**
 * One command to its end. `process.exitCode` is then 0 or not set: done; 1: it went wrong; 2: it was asked for wrongly;
 * 130: interrupted; 141: nobody reads on.
 */
export async function run(argv: readonly string[]): Promise<void> {
  try {
    await programOf().parseAsync(argv);
  } catch (error) {
    process.exitCode = report(error);
  }
}

/** All commands with their options. */
export function programOf(): Command {
  const packageFile = new URL("../../../package.json", import.meta.url);
  const { version, description } = JSON.parse(readFileSync(packageFile, "utf8")) as Record<string, string>;
  const program = new Command("senet").description(description!).version(version!);
  program.addHelpText("after", "\nStart with:\n  senet demo\n  senet COMMAND --help");
  for (const register of commands) register(program);
  for (const command of withItsCommands(program)) {
    command
      .exitOverride()
      .showHelpAfterError("(--help shows all options)")
      .configureOutput({
        writeOut: (text) => printLines(text.replace(/\n$/, "")),
        writeErr: (text) => sayLines(text.replace(/\n$/, "")),
        outputError: (text, write) => write(commandFault(text)),
      });
  }
  return program;
}

/** The command, and those below it. */
const withItsCommands = (command: Command): Command[] => [command, ...command.commands.flatMap(withItsCommands)];

/** What was typed stands in commander's words as it is; their only line break of their own is before its suggestion. */
function commandFault(text: string): string {
  const [fault, ...suggestion] = text.trimEnd().split(/\n(?=\(Did you mean )/);
  return [fault!, ...suggestion].map((line) => cut(line, 800)).join("\n");
}

function report(error: unknown): number {
  if (error instanceof OutputClosed) return 141;
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof SenetError) {
    sayLines(`senet: ${error.message}`);
    return error.code === "usage" ? 2 : 1;
  }
  if (isSystemError(error)) {
    const { path, syscall } = error;
    sayLines(`senet: ${ioError(`the system does not let it ${syscall}`, path ?? "a file", error).message}`);
    return 1;
  }
  if (isMemoryError(error)) {
    const asked = {
      found: error.message,
      hint: "a smaller --batch-size, smaller pictures, or fewer --workers",
      cause: error,
    };
    sayLines(`senet: ${new SenetError("usage", "there is not enough memory for this", asked).message}`);
    return 2;
  }
  // Not foreseen: the trace is what a bug report needs.
  const trace = error instanceof Error ? (error.stack ?? error.message) : String(error);
  sayLines(["senet: this is a bug in senet", ...fitted(trace.split("\n"), 20, 0)].join("\n"));
  return 1;
}

/** V8's words for an array that is longer than any may be, or than there is memory for. */
const isMemoryError = (error: unknown): error is RangeError =>
  error instanceof RangeError &&
  /^(Invalid typed array length|Invalid array (buffer )?length|Array buffer alloc)/.test(error.message);

/** What the system refused, wherever nobody foresaw that it might: no fault of the program, for which a trace would help. */
const isSystemError = (error: unknown): error is NodeJS.ErrnoException & { readonly syscall: string } =>
  error instanceof Error && "syscall" in error && typeof error.syscall === "string" && "code" in error;
