/** MXNet's graphs as its versions write them, for tests. */

/** An operator; its weights are named after it, as MXNet does. */
export interface MxnetOp {
  readonly name: string;
  readonly op: string;
  /** Names of the operators before it, or `data`. */
  readonly inputs: readonly string[];
  readonly options?: Readonly<Record<string, string>>;
}

/** What each operator's variables are called, behind its own name; the last two of a batch norm are its statistics. */
const variables = (op: string, options: Readonly<Record<string, string>>): readonly string[] => {
  if (op === "BatchNorm") return ["gamma", "beta", "moving_mean", "moving_var"];
  if (op === "SoftmaxOutput") return ["label"];
  if (op !== "Convolution" && op !== "FullyConnected") return [];
  return options.no_bias === "True" ? ["weight"] : ["weight", "bias"];
};

/** @param version whose form it has: 0.8 lists no statistics, and has options elsewhere, as 0.11 and 1 do too */
export function mxnetSymbol(ops: readonly MxnetOp[], version: "0.8" | "0.11" | "1" = "1"): Uint8Array<ArrayBuffer> {
  const places = new Map<string, number>();
  const nodes: Record<string, unknown>[] = [];
  const isOld = version === "0.8";
  const input = (name: string, of = 0) => (isOld ? [places.get(name), 0] : [places.get(name), 0, of]);
  const add = (op: string, name: string, options: Readonly<Record<string, string>>, inputs: readonly unknown[]) => {
    const key = isOld ? "param" : version === "1" ? "attrs" : "attr";
    const has = isOld || Object.keys(options).length > 0;
    places.set(name, nodes.length);
    nodes.push({ op, name, ...(has && { [key]: options }), inputs, ...(isOld && { attr: { lr_mult: "0.2" } }) });
  };
  add("null", "data", {}, []);
  for (const { name, op, inputs, options = {} } of ops) {
    const all = variables(op, options).filter((part) => !isOld || !part.startsWith("moving"));
    // Options are copied onto variables.
    for (const part of all) add("null", `${name}_${part}`, isOld ? {} : options, []);
    const own = all.map((part) => input(`${name}_${part}`, part.startsWith("moving") ? 1 : 0));
    add(op, name, options, [...inputs.map((from) => input(from)), ...own]);
  }
  const args = nodes.flatMap(({ op }, i) => (op === "null" ? [i] : []));
  const head = input(ops.at(-1)!.name);
  const graph = { nodes, arg_nodes: args, heads: [head], ...(!isOld && { attrs: { mxnet_version: ["int", 1100] } }) };
  return new TextEncoder().encode(JSON.stringify(graph, null, 2));
}

const theirs: Readonly<Record<string, string>> = {
  reshape: "Reshape",
  add: "elemwise_add",
  scale: "_mul_scalar",
};

/** Lines of a list: `conv0 = Convolution(bn_data) num_filter=64 kernel=(7, 7) -> 64x112x112`. */
export const listedOps = (list: string): readonly MxnetOp[] =>
  list.split("\n").flatMap((line) => {
    const [, name, op, inputs, rest] = /^(\w+) = (\w+)\(([^)]*)\)(.*) -> /.exec(line) ?? [];
    if (name === undefined || op === "var") return [];
    const options = Object.fromEntries(
      [...rest!.matchAll(/(\w+)=(\([^)]*\)|\S+)/g)].map(([, key, value]) => [key === "c" ? "scalar" : key!, value!]),
    );
    return [{ name, op: theirs[op!] ?? op!, inputs: inputs!.split(/,\s*/), options }];
  });
