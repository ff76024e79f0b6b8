/** `senet data`: commands that look at a data set. A new one is a file in `data/` and a row here. */

import type { Command } from "commander";
import { checkCommand } from "./data/check.ts";

const commands = [checkCommand];

export function dataCommand(program: Command): void {
  const group = program.command("data").description("look at a data set: bad and double pictures");
  group.addHelpText("after", "\nExamples:\n  senet data check pictures\n  senet data check --help");
  for (const register of commands) register(group);
}
