/** `senet recipes`: lists the training recipes, or describes one. */

import type { Command } from "commander";
import { recipe, recipeConfig, recipeCost, recipeNames } from "../../recipes/recipes.ts";
import { jsonOption } from "../options.ts";
import { grouped, printJson, printLines, table } from "../output.ts";

export function recipesCommand(program: Command): void {
  program
    .command("recipes")
    .description("list training recipes of papers and repositories, or describe one")
    .argument("[name]", "a recipe, as for train --recipe")
    .addOption(jsonOption())
    .addHelpText(
      "after",
      "\nExamples:\n  senet recipes\n  senet recipes senet-2018\n  senet recipes imagenette-5 --json",
    )
    .action((name: string | undefined, { json }: { json?: true }) => {
      if (json === true) printJson(name === undefined ? recipeNames.map(describe) : describe(name), 2);
      else if (name === undefined) listRecipes();
      else showRecipe(name);
    });
}

/** Everything about a recipe, with the whole configuration that it stands for. */
const describe = (name: string) => ({ name, ...recipe(name), cost: recipeCost(name), config: recipeConfig(name) });

const costOf = (name: string): string => {
  const { pictures, multiplyAdds } = recipeCost(name);
  return `${grouped(pictures)} pictures, ${multiplyAdds.toExponential(1)} multiply-adds`;
};

function listRecipes(): void {
  const rows = recipeNames.map((name) => {
    const { title, data, config } = recipe(name);
    return [name, config.model, data.name, `${config.epochs}`, `${config.batchSize}`, costOf(name), title];
  });
  printLines(table(["recipe", "network", "pictures", "epochs", "batch", "cost", ""], rows));
}

function showRecipe(name: string): void {
  const { version, title, source, data, reached, hours, differences, config } = recipe(name);
  const list = (heading: string, lines: readonly string[]) => [heading, ...lines.map((line) => `  ${line}`)];
  const settings = Object.entries(config).map(([key, value]) => `${key.padEnd(16)}${JSON.stringify(value)}`);
  const lines = [
    `${name}, version ${version}: ${title}`,
    ...list("source:", source),
    `made for: ${data.name}, ${grouped(data.pictures)} pictures of ${data.classes} classes`,
    `cost: ${costOf(name)}${hours === undefined ? "" : `; ${hours}`}`,
    ...(reached === undefined ? [] : [`reached: ${reached}`]),
    ...(differences.length === 0 ? [] : list("here otherwise, or left open by the source:", differences)),
    ...list("settings:", settings),
  ];
  printLines(lines.join("\n"));
}
