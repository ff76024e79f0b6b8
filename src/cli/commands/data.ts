/** `senet data`: commands that look at a data set. A new one is a file in `data/` and a row here. */

import type { Command } from "commander";
import { checkCommand } from "./data/check.ts";
import { previewCommand } from "./data/preview.ts";
import { suspectsCommand } from "./data/suspects.ts";

const commands = [checkCommand, previewCommand, suspectsCommand];

export function dataCommand(program: Command): void {
  const group = program
    .command("data")
    .description("inspect a data set: bad and duplicate pictures, probable label errors, augmentation");
  group.addHelpText(
    "after",
    "\nExamples:\n  senet data check pictures\n  senet data suspects pictures --weights runs/first/best.safetensors",
  );
  for (const register of commands) register(group);
}
