/**
 * The configuration of a training run, from flags, a file, or the run to resume; faults are reported by the user's own
 * names.
 */

import { type Command, Option } from "commander";
import { factsOf } from "../config-key.ts";
import { SenetError } from "../errors.ts";
import { readBytesSync } from "../files/files.node.ts";
import { pretrained } from "../pull/pretrained.node.ts";
import { recipeStart } from "../recipes/recipes.ts";
import type * as z from "../schema.ts";
import { shownValue } from "../text.ts";
import { decodeText } from "../text-file.ts";
import { plain } from "../text-output.ts";
import { type TrainingConfig, trainingConfig, trainingKeys } from "../train/config.ts";
import { keyOfOtherName } from "../train/other-names.ts";
import type { Given } from "../train/resume.ts";
import { type SourceNetwork, sourceDefaults } from "../train/start.ts";
import { choiceOption, count, list, natural, real } from "./options.ts";
import { say } from "./output.ts";
import { weightsOf } from "./weights.ts";

type Heading = keyof typeof trainingKeys;
const headings = Object.keys(trainingKeys) as readonly Heading[];

/** For each option's attribute, the configuration key, and the heading in --help. */
const options: ReadonlyMap<string, { readonly key: string; readonly option: Option; readonly heading: Heading }> =
  new Map(
    headings.flatMap((heading) =>
      Object.entries<z.Schema>(trainingKeys[heading]).flatMap(([key, schema]) => {
        const option = optionOf(key, schema);
        return option === undefined ? [] : [[option.attributeName(), { key, option, heading }] as const];
      }),
    ),
  );

/** Adds --recipe, --config and a flag for every key of the configuration, or of some of its parts. */
export function addConfigOptions(command: Command, concerns: readonly Heading[] = headings): void {
  command
    .option("--recipe <name>", "a recipe (senet recipes lists them); --config and flags override it")
    .option("--config <file>", "options from a JSON file such as a run's config.json; flags override it");
  for (const { option, heading } of options.values()) {
    if (concerns.includes(heading)) command.addOption(option.helpGroup(`${heading}:`));
  }
  if (!concerns.includes("Fine-tuning")) return;
  const help =
    "start from trained weights: those of --model if there are any, those that were pulled, or else imagenette";
  command.addOption(new Option("--pretrained", help).helpGroup("Fine-tuning:"));
}

/** The flag that a flag of another program, or a key of the configuration, means; `undefined` for all others. */
export function flagOfOtherName(name: string): string | undefined {
  const meant = keyOfOtherName(name) ?? name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
  return [...options.values()].find(({ key }) => key === meant)?.option.long;
}

function optionOf(key: string, schema: z.Schema): Option | undefined {
  const facts = factsOf(schema);
  if (facts === undefined) return undefined;
  const { flag = key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`), help, value, auto = false } = facts;
  const { inner, initial } = unwrapped(schema);
  if (inner.kind === "boolean") return new Option(`--${initial === true ? "no-" : ""}${flag}`, help);
  const shown =
    initial === undefined || initial === null || (Array.isArray(initial) && initial.length === 0)
      ? ""
      : `; default: ${shownDefault(initial)}`;
  if (inner.kind === "enum") {
    const { options } = inner as z.Enum<string>;
    return choiceOption(`--${flag} <${value ?? "name"}>`, help + shown, options);
  }
  const parse = parserOf(inner);
  return new Option(`--${flag} <${value ?? parse.value}>`, help + shown).argParser((text: string) =>
    auto && text === "auto" ? text : parse.parser(text),
  );
}

function shownDefault(value: unknown): string {
  if (Array.isArray(value)) return value.map(shownDefault).join(",");
  return typeof value === "number" ? plain(value) : String(value);
}

/** A key's schema without default and `null`. */
function unwrapped(schema: z.Schema): { readonly inner: z.Schema; readonly initial?: unknown } {
  if (!["default", "nullable", "readonly"].includes(schema.kind)) return { inner: schema };
  const { inner, initial } = schema as z.Wrapping<unknown, unknown> & Partial<z.Default<unknown, unknown>>;
  return { ...unwrapped(inner), ...(schema.kind === "default" && { initial }) };
}

/** How to parse a flag's text; the schema checks bounds. */
function parserOf(schema: z.Schema): { readonly value: string; readonly parser: (text: string) => unknown } {
  const takes = (value: number) => schema.safeParse(value).success;
  switch (schema.kind) {
    case "int":
      return { value: "n", parser: takes(0) && !takes(-1) ? natural : count };
    case "number":
      return { value: "x", parser: real };
    case "array":
    case "tuple":
      return { value: "list", parser: list(parserOf((schema as z.Wrapping<unknown, unknown>).inner).parser) };
    default:
      return { value: "text", parser: (text) => text };
  }
}

/**
 * The given keys: flags override the --config file, which overrides the recipe.
 * @throws SenetError `usage` where the file cannot be read, or there is no such recipe
 */
export function givenConfig(command: Command): Given {
  const values = command.opts<Record<string, unknown>>();
  const flags = new Map<string, { readonly flag: string; readonly value: unknown }>();
  for (const [attribute, { key, option }] of options) {
    if (command.getOptionValueSource(attribute) !== "cli") continue;
    flags.set(key, { flag: option.long!, value: values[attribute] });
  }
  const start = typeof values.recipe === "string" ? recipeStart(values.recipe) : {};
  const file = typeof values.config === "string" ? values.config : undefined;
  const inFile = file === undefined ? {} : readConfig(file);
  return {
    values: { ...start, ...inFile, ...Object.fromEntries([...flags].map(([key, { value }]) => [key, value])) },
    nameOf: (key) =>
      flags.get(key)?.flag ??
      (key in inFile ? `"${key}" in ${file}` : key === "recipe" && key in start ? "--recipe" : key),
  };
}

/**
 * What is asked of a resumed run besides the recipe that it began with. The run has the recipe's settings, with the rate
 * scaled to its batch: to repeat the recipe changes nothing.
 */
export function besidesRecipe(given: Given, { recipe }: Pick<TrainingConfig, "recipe">): Given {
  const { values, nameOf } = given;
  if (values.recipe === undefined || values.recipe !== recipe) return given;
  return { ...given, values: Object.fromEntries(Object.entries(values).filter(([key]) => nameOf(key) !== key)) };
}

/**
 * The configuration of a new run: given values override the source network's, which override the defaults. @throws
 * SenetError `usage`
 */
export function newConfig({ values, nameOf }: Given, source: SourceNetwork | undefined): TrainingConfig {
  return trainingConfig({ ...(source && sourceDefaults(source)), ...values }, undefined, nameOf);
}

/**
 * Replaces --pretrained by the weights that it means. @throws SenetError `usage` where weights are given as well; as
 * `pretrained`
 */
export async function withPretrained(given: Given, command: Command): Promise<Given> {
  if (command.opts().pretrained !== true) return given;
  const { model, weights } = given.values;
  if (typeof weights === "string") {
    throw new SenetError("usage", "weights are named twice", {
      where: "--pretrained",
      found: `${given.nameOf("weights")} ${weights} beside it`,
      hint: "leave out one of them",
    });
  }
  const { name, reason } = await pretrained(typeof model === "string" ? model : undefined);
  say(`senet: starts from ${name}, ${reason}`);
  return { ...given, values: { ...given.values, weights: name } };
}

/** The network that a new run starts from, if `weights` names one. @throws SenetError as `weightsOf` */
export async function sourceOf({ values: { weights } }: Given): Promise<SourceNetwork | undefined> {
  return typeof weights === "string" ? { ...(await weightsOf(weights)), from: weights } : undefined;
}

function readConfig(path: string): Record<string, unknown> {
  const bytes = readBytesSync(path, "the config cannot be read");
  let config: unknown;
  try {
    config = JSON.parse(decodeText(bytes));
  } catch (cause) {
    throw new SenetError("usage", "the config cannot be read", { where: path, found: String(cause), cause });
  }
  if (typeof config === "object" && config !== null && !Array.isArray(config)) return { ...config };
  throw new SenetError("usage", "the config cannot be used", {
    where: path,
    expected: "a JSON object such as a run's config.json",
    found: shownValue(config),
  });
}
