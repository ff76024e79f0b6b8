import type { Graph } from "../src/ir/graph.ts";

/** Peak bytes of values that are alive at the same time, from the node that creates one to the last that uses it. */
export function peak({ nodes, outputs }: Graph): number {
  const last = new Map<object, number>();
  nodes.forEach(({ inputs }, index) => {
    for (const input of inputs) last.set(input, index);
  });
  for (const value of outputs.values()) last.set(value, nodes.length);
  let alive = 0;
  let most = 0;
  const ending = new Map<number, number>();
  nodes.forEach((node, index) => {
    for (const output of node.outputs) {
      const size = output.type.shape.reduce((a, b) => a * b, 4);
      alive += size;
      const end = last.get(output) ?? index;
      ending.set(end, (ending.get(end) ?? 0) + size);
    }
    most = Math.max(most, alive);
    alive -= ending.get(index) ?? 0;
  });
  return most;
}
