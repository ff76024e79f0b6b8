/** Parsers of option values, and options that several commands share. */

import { InvalidArgumentError, Option } from "commander";

export function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("expected a whole number from 1 up.");
  return value;
}

export function natural(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isInteger(value) || value < 0)
    throw new InvalidArgumentError("expected a whole number from 0 up.");
  return value;
}

export function real(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("expected a number.");
  return value;
}

export const realList = (text: string): number[] => text.split(",").map(real);

export const executorOption = (): Option =>
  new Option("--executor <name>", "engine to run on (senet doctor lists them); default: the best one here");

export const threadsOption = (): Option =>
  new Option("--threads <n>", "threads inside one operation; default: one per core").argParser(count);

export const jsonOption = (): Option => new Option("--json", "print JSON");
