import assert from "node:assert/strict";
import { test } from "node:test";
import { SenetError } from "../errors.ts";
import { GraphBuilder } from "./builder.ts";
import type { AnyNode, Graph, Parameter, Value } from "./graph.ts";
import { verify } from "./verify.ts";

/** x → norm (training) → relu → y, with a running mean. */
function sound(): Graph {
  const builder = new GraphBuilder("small");
  const x = builder.input("x", [2, 3, 4, 4]);
  const gamma = builder.parameter("gamma", [3], "gamma");
  const beta = builder.parameter("beta", [3], "beta");
  const running = builder.parameter("running", [3], "mean");
  const [y, mean] = builder.apply("batchNormTraining", "norm", [x, gamma, beta], { eps: 1e-5 });
  const next = builder.apply("runningAverage", "next", [running, mean], { decay: 0.9, scale: 1 });
  builder.update(running, next);
  builder.output("y", builder.apply("relu", "relu", [y], {}));
  return builder.build();
}

/** Asserts that verifying names the stage, the graph and `what`. */
function broken(graph: Graph, what: string): void {
  assert.throws(
    () => verify(graph, "the guilty pass"),
    (error) => {
      assert.ok(error instanceof SenetError && error.code === "graph", `${error}`);
      for (const part of ["small: ", "the guilty pass", what]) {
        assert.ok(error.message.includes(part), `"${part}" is not in: ${error.message}`);
      }
      return true;
    },
  );
}

const replaceNode = (graph: Graph, at: number, change: Partial<AnyNode>): Graph => ({
  ...graph,
  nodes: graph.nodes.map((node, i) => (i === at ? ({ ...node, ...change } as AnyNode) : node)),
});
const stranger: Value = { name: "stranger", type: { dtype: "float32", shape: [2, 3, 4, 4] } };

test("a sound graph passes", () => {
  verify(sound(), "build");
});

test("a value is made before it is used, and known by its object", () => {
  const graph = sound();
  broken({ ...graph, nodes: graph.nodes.toReversed() }, 'relu uses "norm", which nothing before it makes');
  broken(replaceNode(graph, 2, { inputs: [stranger] }), 'relu uses "stranger", which nothing before it makes');
  // The same name and type is not the same value.
  const twin = { ...graph.nodes[0]!.outputs[0]! };
  broken(replaceNode(graph, 2, { inputs: [twin] }), 'relu uses "norm"');
  broken({ ...graph, parameters: graph.parameters.slice(1) }, 'norm uses "gamma"');
});

test("names are unique", () => {
  const graph = sound();
  const renamed = { ...graph.nodes[2]!.outputs[0]!, name: "norm.mean" };
  broken(replaceNode(graph, 2, { outputs: [renamed] }), 'two values are called "norm.mean"');
  const again: Parameter = { name: "x", type: { dtype: "float32", shape: [1] }, role: "bias" };
  broken({ ...graph, parameters: [...graph.parameters, again] }, 'two values are called "x"');
});

test("every type is what its operation infers", () => {
  const graph = sound();
  const relu = graph.nodes[2]!;
  const wrong = { ...relu.outputs[0]!, type: { dtype: "float32", shape: [2, 3, 4, 5] } } as const;
  broken(replaceNode(graph, 2, { outputs: [wrong] }), "relu has the wrong type");
  broken(replaceNode(graph, 2, { outputs: [wrong] }), "expected: float32[2, 3, 4, 4]");
  const dtype = { ...relu.outputs[0]!, type: { dtype: "float64", shape: [2, 3, 4, 4] } } as const;
  broken(replaceNode(graph, 2, { outputs: [dtype] }), "float64[2, 3, 4, 4]");
  broken(replaceNode(graph, 0, { outputs: graph.nodes[0]!.outputs.slice(0, 2) }), "wrong number of outputs");
});

test("inputs that do not fit their operation are a shape error that names the node", () => {
  const graph = sound();
  const { inputs } = graph.nodes[0]!;
  assert.throws(
    () => verify(replaceNode(graph, 0, { inputs: [inputs[1]!, inputs[1]!, inputs[2]!] }), "the guilty pass"),
    (error) => error instanceof SenetError && error.code === "shape" && error.message.startsWith("norm ("),
  );
});

test("outputs and updates are made by something, and fit", () => {
  const graph = sound();
  const running = graph.parameters[2]!;
  broken({ ...graph, outputs: new Map([["y", stranger]]) }, 'output "y" is made by nothing');
  broken({ ...graph, updates: new Map([[running, stranger]]) }, 'the update of "running" is made by nothing');
  const foreign: Parameter = { ...running };
  const next = graph.nodes[1]!.outputs[0]!;
  broken({ ...graph, updates: new Map([[foreign, next]]) }, 'the update of "running" is for no parameter');
  const y = graph.outputs.get("y")!;
  broken({ ...graph, updates: new Map([[running, y]]) }, 'the update of "running" does not fit');
});

test("the builder refuses a name twice, and an output twice", () => {
  const builder = new GraphBuilder("small");
  const x = builder.input("x", [1, 2]);
  builder.output("y", builder.apply("relu", "y", [x], {}));
  assert.throws(() => builder.apply("relu", "y", [x], {}), /small: the name "y" is taken/);
  assert.throws(() => builder.input("x", [1]), /the name "x" is taken/);
  assert.throws(() => builder.output("y", x), /output "y" exists already/);
  const more = GraphBuilder.from(builder.build());
  assert.throws(() => more.apply("relu", "y", [x], {}), /the name "y" is taken/);
});
