/** Lists of processors in Linux's notation: `0-3,8`. Unknown on other systems. */

import { readFileSync } from "node:fs";

export function processorsOf(pid: number | "self"): string {
  try {
    return /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? "";
  } catch {
    return "";
  }
}

/** Number of processors in `all` but in none of `lists`. */
export function leftOver(all: string, lists: readonly string[]): number {
  const used = new Set(lists.flatMap(numbersIn));
  return numbersIn(all).filter((number) => !used.has(number)).length;
}

function numbersIn(list: string): number[] {
  return list.split(",").flatMap((part) => {
    const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(part.trim()) ?? [];
    if (first === undefined) return [];
    return Array.from({ length: Number(last) - Number(first) + 1 }, (_, i) => Number(first) + i);
  });
}
