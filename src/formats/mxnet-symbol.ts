/**
 * Reads MXNet graphs (`PREFIX-symbol.json`): topologically sorted nodes, including variables.
 *
 * Format: nnvm's `SaveJSON` and `LoadJSON` in https://github.com/apache/mxnet/blob/master/3rdparty (nnvm/src/pass), and
 * for files up to 0.8 `src/nnvm/legacy_json_util.cc`.
 */

import { causeText } from "../errors.ts";
import { shownValue } from "../text.ts";
import { decodeText } from "../text-file.ts";
import { damagedAt, type FailWhole, shownName } from "./bytes.ts";

export interface MxnetNode {
  /** `null` for a variable: a picture, a weight, a label. */
  readonly op: string;
  readonly name: string;
  /** Options as text. */
  readonly options: ReadonlyMap<string, string>;
  /** Numbers of earlier nodes, and indices of their outputs. */
  readonly inputs: readonly MxnetOutput[];
}

export interface MxnetOutput {
  readonly node: number;
  readonly output: number;
}

export interface MxnetSymbol {
  readonly nodes: readonly MxnetNode[];
  /** The graph's outputs. */
  readonly heads: readonly MxnetOutput[];
}

/** Whether a text starts like such a graph. */
export const isMxnetSymbol = (text: string): boolean =>
  /^\{[\s\S]*(?:"arg_nodes"\s*:\s*\[|"nodes"\s*:\s*\[[\s\S]*"op"\s*:)/.test(text);

/** The deepest known networks have some thousands. */
const mostNodes = 100_000;

/**
 * @param where the file's name, for errors
 * @throws SenetError `weights` where it is damaged
 */
export function parseMxnetSymbol(bytes: Uint8Array, where: string): MxnetSymbol {
  const fail = damagedAt(where);
  let content: unknown;
  try {
    content = JSON.parse(decodeText(bytes));
  } catch (cause) {
    const found = causeText(cause).slice(0, 160);
    return fail("the graph is not JSON", { expected: "one object, whole, in UTF-8", found, cause });
  }
  const { nodes, heads } = recordOf(content, "the graph", fail);
  if (!Array.isArray(nodes) || nodes.length === 0 || nodes.length > mostNodes) {
    return fail("this graph has no nodes, or too many", {
      expected: `nodes, from 1 to ${mostNodes}`,
      found: Array.isArray(nodes) ? `${nodes.length}` : shownValue(nodes),
    });
  }
  const ends = Array.isArray(heads) ? heads : [];
  if (ends.length === 0) {
    return fail("this graph has no outputs", { expected: "heads, a list of outputs", found: shownValue(heads) });
  }
  return {
    nodes: nodes.map((node, i) => nodeOf(node, i, where, fail)),
    heads: ends.map((head) => outputOf(head, nodes.length, "a head", fail)),
  };
}

type Json = Readonly<Record<string, unknown>>;

const recordOf = (value: unknown, what: string, fail: FailWhole): Json =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Json)
    : fail(`${what} is not an object`, { expected: "{ ... }", found: shownValue(value) });

function nodeOf(value: unknown, place: number, where: string, fail: FailWhole): MxnetNode {
  const node = recordOf(value, `node ${place}`, fail);
  const { op, name, inputs } = node;
  if (typeof op !== "string" || typeof name !== "string" || !Array.isArray(inputs)) {
    return fail(`node ${place} cannot be read`, { expected: "op, name and inputs", found: shownValue(value) });
  }
  const what = `node ${shownName(name.slice(0, 200))} (${shownName(op.slice(0, 200))})`;
  const failHere = damagedAt(`${where}: ${what}`);
  const options = new Map<string, string>();
  // `attrs` since 1.0, `attr` before; up to 0.8 options are in `param`, and `attr` has the user's attributes.
  for (const [key, text] of Object.entries(optionsOf(node, failHere))) {
    if (typeof text !== "string") {
      failHere(`its option ${shownName(key)} is not a text`, { expected: "a text", found: shownValue(text) });
    }
    options.set(key, text as string);
  }
  return { op, name, options, inputs: inputs.map((input) => outputOf(input, place, "an input", failHere)) };
}

function optionsOf({ attrs, attr, param }: Json, fail: FailWhole): Json {
  const given = param ?? attrs ?? attr;
  return given === undefined || given === null ? {} : recordOf(given, "what its options are in", fail);
}

/** `[node, output, version]`; the last is missing in old files. */
function outputOf(value: unknown, nodes: number, what: string, fail: FailWhole): MxnetOutput {
  const isPlace = (part: unknown) => typeof part === "number" && Number.isInteger(part) && part >= 0;
  if (!Array.isArray(value) || value.length < 1 || value.length > 3 || !value.every(isPlace)) {
    return fail(`${what} cannot be read`, { expected: "[node, output]", found: shownValue(value) });
  }
  const [node, output = 0] = value as number[];
  if (node! >= nodes)
    return fail(`${what} is not an earlier node`, { expected: `0 to ${nodes - 1}`, found: `${node}` });
  return { node: node!, output };
}
