/** Parsers of option values, and options that several commands share. */

import { InvalidArgumentError, Option } from "commander";
import { type PrecisionChoice, precisionChoices } from "../executors/select.node.ts";
import { machineThreads, mostWorkers } from "../machine.node.ts";
import { nearestNames } from "../names.ts";
import { say } from "./output.ts";

export function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("expected a whole number, 1 or more.");
  return value;
}

export function natural(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isInteger(value) || value < 0)
    throw new InvalidArgumentError("expected a whole number, 0 or more.");
  return value;
}

export function port(text: string): number {
  const value = natural(text);
  if (value > 65_535) throw new InvalidArgumentError("expected a port, 0 to 65535.");
  return value;
}

/** An IPv6 address may be in brackets, as in a URL. */
export const host = (text: string): string => text.replace(/^\[(.+)\]$/, "$1");

export function real(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("expected a number.");
  return value;
}

export function notNegative(text: string): number {
  const value = real(text);
  if (value < 0) throw new InvalidArgumentError("expected a number, 0 or more.");
  return value;
}

export function part(text: string): number {
  const value = real(text);
  if (value <= 0 || value >= 1) throw new InvalidArgumentError("expected a number above 0 and below 1.");
  return value;
}

/** Seconds from `90s`, `15m`, `2h`, or a number of minutes. */
export function duration(text: string): number {
  const [, number, unit = "m"] = /^(\d+(?:\.\d+)?)([smh])?$/.exec(text) ?? [];
  if (number === undefined) throw new InvalidArgumentError("expected a time such as 90s, 15m or 2h.");
  return Number(number) * { s: 1, m: 60, h: 3600 }[unit as "s" | "m" | "h"];
}

export function positiveDuration(text: string): number {
  const seconds = duration(text);
  if (seconds === 0) throw new InvalidArgumentError("expected a time above 0, such as 90s, 15m or 2h.");
  return seconds;
}

export const list =
  <T>(parse: (text: string) => T) =>
  (text: string): T[] =>
    text.split(",").map(parse);

export const realList = list(real);

/** An option with a fixed set of values; a wrong value gets the nearest as a suggestion. */
export const choiceOption = (flags: string, description: string, choices: readonly string[]): Option =>
  new Option(flags, description).choices(choices).argParser((text: string): string => {
    if (choices.includes(text)) return text;
    throw new InvalidArgumentError(
      `expected ${choices.join(", ")}. (Did you mean ${nearestNames(text, choices, 1).join("")}?)`,
    );
  });

/** What `executorOption`, `precisionOption` and `threadsOption` are parsed to. */
export interface EngineFlags {
  readonly executor?: string;
  readonly precision?: PrecisionChoice;
  readonly threads?: number;
}

export const executorOption = (): Option =>
  new Option("--executor <name>", "engine to run on (senet doctor lists them); default: the best one on this machine");

export const precisionOption = (): Option =>
  choiceOption(
    "--precision <name>",
    "bf16 (executor onednn); auto: bf16 if that is faster on this processor; default: float32. For eight bits see senet quantize",
    precisionChoices,
  );

export const threadsOption = (): Option =>
  new Option(
    "--threads <n>",
    "threads inside one operation; default: as many as this process may use, fewer while the machine is busy",
  ).argParser((text: string) => capped("--threads", count(text), machineThreads()));

export const workersOption = (): Option =>
  new Option(
    "--workers <n>",
    "threads that prepare pictures; default: one less than there are processors, at most 8",
  ).argParser((text: string) => capped("--workers", count(text), mostWorkers()));

/** Limits a number of threads to what the machine can use, and says so. */
function capped(flag: string, wanted: number, most: number): number {
  if (wanted <= most) return wanted;
  say(`${flag} ${wanted}: ${most} is the most that this process can use here; ${flag} ${most}`);
  return most;
}

export const valSplitOption = (): Option =>
  new Option(
    "--val-split <part>",
    "validate on this part of each class (0.1: a tenth), for data without val/; by --seed and the pictures' names",
  ).argParser(part);

export const stateOption = (): Option =>
  new Option(
    "--state <name>",
    "key of the weights in a PyTorch checkpoint with several; default: averaged ones (EMA), or the first",
  );

export const jsonOption = (): Option => new Option("--json", "print JSON");
