import assert from "node:assert/strict";
import { test } from "node:test";
import { runNode } from "../../tests/command.ts";
import { SenetError } from "../errors.ts";
import { GraphBuilder } from "../ir/builder.ts";
import { instructionSets } from "../machine.node.ts";
import { updateRule } from "../optim/rule.ts";
import { tensor } from "../tensor.ts";
import type { Executor } from "./executor.ts";
import { onednnLibrary } from "./onednn/engine.node.ts";
import { hasIsa } from "./onednn/library.node.ts";
import { referenceExecutor } from "./reference/reference.ts";
import { describeExecutors, executorNames, selectExecutor, withFallback } from "./select.node.ts";

const here = new Set((await describeExecutors()).filter(({ available }) => available).map(({ name }) => name));
const withoutLibrary = here.has("onednn") ? false : "oneDNN was not found on this machine";

for (const name of executorNames) {
  test(`${name} can be asked for by its name`, { skip: name === "onednn" && withoutLibrary }, async () => {
    const { executor, reason } = await selectExecutor({ name });
    assert.equal(executor.name, name);
    assert.equal(reason, "asked for");
  });
}

test("without a name onednn is chosen for inference where it has Winograd's algorithm, else ort; the reason says why", async () => {
  const { executor, reason } = await selectExecutor();
  const { version, isa } = here.has("onednn") ? onednnLibrary() : { version: undefined, isa: 0 };
  const isFastest = version?.major === 2 && hasIsa(isa, "avx512");
  assert.equal(executor.name, isFastest ? "onednn" : "ort");
  assert.match(reason, isFastest ? /^the fastest: oneDNN 2/ : /the default/);
});

test("without a name onednn is chosen to train with where it is there", async () => {
  const { executor, reason } = await selectExecutor({ purpose: "training" });
  assert.equal(executor.name, here.has("onednn") ? "onednn" : "ort");
  assert.match(reason, here.has("onednn") ? /oneDNN is on this machine/ : /the default/);
});

test("an unknown executor is refused with the nearest name", async () => {
  for (const name of ["refrence", "constructor"]) {
    await assert.rejects(selectExecutor({ name }), (error) => error instanceof SenetError && error.code === "usage");
  }
  await assert.rejects(selectExecutor({ name: "refrence" }), /try: {6}reference/);
});

test("a precision that an executor has not is refused", async () => {
  await assert.rejects(selectExecutor({ name: "ort", precision: "bf16" }), /float32 only[\s\S]*`executor` onednn/);
});

test("auto is bf16 where the processor has it, and float32 elsewhere; the reason says why", async () => {
  const { executor, reason } = await selectExecutor({ precision: "auto" });
  const bf16 = await selectExecutor({ name: "onednn", precision: "bf16" }).then(
    () => true,
    () => false,
  );
  if (!bf16) assert.match(reason, /in float32: /);
  else {
    assert.equal(executor.name, "onednn");
    assert.match(reason, /^in bf16/);
    assert.match((await selectExecutor({ name: "onednn", precision: "auto" })).reason, /^in bf16/);
    assert.match((await selectExecutor({ purpose: "training", precision: "auto" })).reason, /^in bf16/);
  }
  const ort = await selectExecutor({ name: "ort", precision: "auto" });
  assert.equal(ort.executor.name, "ort");
  assert.equal(ort.reason, 'asked for; in float32: the executor "ort" supports nothing else');
  await assert.rejects(selectExecutor({ name: "otr", precision: "auto" }), /there is no executor/);
});

test("a network in eight bits has oneDNN where that computes so, whatever precision is asked for by auto", async () => {
  const hasVnni = here.has("onednn") && instructionSets().some((set) => set === "avx512_vnni" || set === "avx_vnni");
  for (const precision of ["float32", "auto"] as const) {
    const { executor, reason } = await selectExecutor({ inEightBits: true, precision });
    assert.equal(executor.name, hasVnni ? "onednn" : "ort");
    assert.match(reason, hasVnni ? /eight bits/ : /default/);
  }
  assert.equal((await selectExecutor({ inEightBits: true, name: "ort" })).executor.name, "ort");
});

test("a library of oneDNN that was named and does not load is told; that there is none is not", async () => {
  const url = new URL("./select.node.js", import.meta.url).href;
  const code = `const { selectExecutor } = await import(${JSON.stringify(url)});
    for (const path of ["/nowhere.so", ""]) {
      process.env.SENET_ONEDNN = path;
      const { executor } = await selectExecutor({ purpose: "training", say: (line) => console.log("said", line) });
      console.log(executor.name);
    }`;
  const { stdout } = await runNode(["--input-type=module", "-e", code]);
  const [said, instead, ...rest] = stdout.trimEnd().split("\n");
  assert.match(said!, /^said SENET_ONEDNN=\/nowhere\.so: this library of oneDNN does not load \(.+\); ort computes/);
  assert.deepEqual([instead, ...rest], ["ort", here.has("onednn") ? "onednn" : "ort"]);
});

test("a graph that the first executor cannot serve runs whole on the second, which is told", async () => {
  const builder = new GraphBuilder("tiny");
  builder.output("y", builder.apply("relu", "y", [builder.input("x", [2])], {}));
  const refuse = () => Promise.reject(new SenetError("executor", "no", { where: "y: relu", found: "not implemented" }));
  const unable: Executor = { name: "unable", description: "", compile: refuse, compileTraining: refuse };
  const said: string[] = [];
  const executor = withFallback(unable, referenceExecutor, (line) => said.push(line));
  const executable = await executor.compile(builder.build(), new Map());
  const outputs = await executable.run(new Map([["x", tensor([2], Float32Array.of(-1, 2))]]));
  assert.deepEqual(outputs.get("y")!.data, Float32Array.of(0, 2));
  assert.deepEqual(said, ["unable cannot run tiny (y: relu: not implemented); reference runs it instead"]);

  const rule = updateRule({ optimizer: { name: "sgd" }, parameters: [], gradientOf: () => "", decayOf: () => 0 });
  const trainer = await executor.compileTraining(builder.build(), new Map(), rule);
  await trainer.dispose();
  assert.equal(said.length, 2, "training too");

  const broken: Executor = { ...unable, compile: () => Promise.reject(new SenetError("weights", "missing")) };
  await assert.rejects(withFallback(broken, referenceExecutor).compile(builder.build(), new Map()), /missing/);
});
