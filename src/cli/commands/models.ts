/** `senet models`: lists the networks, or describes one. */

import type { Command } from "commander";
import { graphCost, nodeCost } from "../../ir/cost.ts";
import type { Port } from "../../zoo/family.ts";
import { inferenceGraph, model, zoo, zooEntry } from "../../zoo/index.ts";
import { importsOf, paperErrors } from "../../zoo/published.ts";
import { jsonOption } from "../options.ts";
import { grouped, printJson, printLines, table } from "../output.ts";

export function modelsCommand(program: Command): void {
  program
    .command("models")
    .description("list the models, or the layers of one")
    .argument("[name]", "a model whose layers to list")
    .addOption(jsonOption())
    .addHelpText("after", "\nExamples:\n  senet models\n  senet models se-resnet-50\n  senet models --json")
    .action((name: string | undefined, { json }: { json?: true }) => {
      if (name === undefined) listModels(json === true);
      else listLayers(name, json === true);
    });
}

/**
 * The facts about a network, with multiply-adds at 224 pixels (as papers quote them) and at the network's own image
 * size.
 */
function describe(name: string) {
  const { imageSize, classes, published, port } = zooEntry(name);
  const at = (side: number) => graphCost(inferenceGraph(model(name), { batch: 1, imageSize: side }));
  const at224 = at(224);
  const { parameters, values, multiplyAdds } = at224;
  const input = `3x${imageSize}x${imageSize}`;
  return {
    name,
    parameters,
    multiplyAddsAt224: multiplyAdds,
    multiplyAdds: imageSize === 224 ? multiplyAdds : at(imageSize).multiplyAdds,
    input,
    classes,
    // Size of a float32 weight file, including running statistics.
    mebibytes: (values * 4) / 2 ** 20,
    top1Error: published?.top1Error ?? null,
    top5Error: published?.top5Error ?? null,
    source: published === undefined ? (port?.source ?? null) : originalSource,
    licence: published === undefined ? null : "Apache-2.0",
    paper: port?.paper ?? null,
    paperErrors: (port && paperErrors(port, classes)) ?? null,
    reached: port?.reached ?? null,
    // Other programs whose files of this network can be imported.
    imports: importsOf(name),
  };
}

/** Where the published errors and weights come from. */
const originalSource = "hujie-frank/SENet, table 1";
const percent = (error: number | null): string => (error === null ? "" : `${error.toFixed(2)} %`);

const giga = (multiplyAdds: number): string => `${(multiplyAdds / 1e9).toFixed(4)} G`;

function listModels(json: boolean): void {
  const models = [...zoo.keys()].map(describe);
  if (json) {
    printJson(models, 2);
    return;
  }
  const rows = models
    .filter(({ paper }) => paper === null)
    .map((m) => [
      m.name,
      grouped(m.parameters),
      giga(m.multiplyAddsAt224),
      `${m.mebibytes.toFixed(2)} MiB`,
      m.input,
      giga(m.multiplyAdds),
      `${m.classes}`,
      percent(m.top1Error),
      percent(m.top5Error),
    ]);
  const sizes = ["parameters", "multiply-adds at 224", "size", "own input", "multiply-adds there", "classes"];
  printLines(table(["model", ...sizes, "top-1 error", "top-5 error"], rows));
  printLines(
    `\nErrors: those of the authors' weights on ImageNet (${originalSource}, Apache-2.0), single crop of 224.`,
  );
  const portRows = models.flatMap((m) =>
    portsOf(m.name).map((port) => [
      ...[m.name, grouped(m.parameters), giga(m.multiplyAdds), m.input, `${m.classes}`],
      ...[port.paper, paperFigure(port, m.classes), port.reached ?? "", port.source],
    ]),
  );
  printLines("\nNetworks of re-implementations, as their authors' code has them:\n");
  const head = ["model", "parameters", "multiply-adds", "input", "classes", "the paper's network", "its error there"];
  printLines(table([...head, "reached", "source"], portRows));
  printLines(
    "\nThe paper's errors are top-1 and top-5 on ImageNet; of networks for CIFAR-10, top-1 there (arXiv 1709.01507).",
  );
}

/** The network's own port, and other programs that have it. */
const portsOf = (name: string): readonly Port[] => {
  const { port } = zooEntry(name);
  return [...(port === undefined ? [] : [port]), ...importsOf(name)];
};

function paperFigure(port: Port, classes: number): string {
  const errors = paperErrors(port, classes);
  if (errors === undefined) return "";
  const { top1Error, top5Error } = errors;
  return [top1Error, top5Error].flatMap((error) => (error === undefined ? [] : [percent(error)])).join(", ");
}

function listLayers(name: string, json: boolean): void {
  const { imageSize } = zooEntry(name);
  const graph = inferenceGraph(model(name), { batch: 1, imageSize });
  const learnable = new Set(
    graph.parameters.filter((p) => p.role !== "mean" && p.role !== "variance").map((p) => p.name),
  );
  const layers = graph.nodes.map((node) => ({
    name: node.name,
    op: node.op,
    output: node.outputs[0]!.type.shape,
    parameters: node.inputs
      .filter((input) => learnable.has(input.name))
      .reduce((sum, input) => sum + input.type.shape.reduce((product, extent) => product * extent, 1), 0),
    multiplyAdds: nodeCost(node).multiplyAdds,
  }));
  const total = graphCost(graph);
  if (json) {
    printJson({ ...describe(name), layers }, 2);
    return;
  }
  for (const port of portsOf(name)) {
    const figure = paperFigure(port, zooEntry(name).classes);
    const { paper, source, reached } = port;
    const shown = [`${paper}${figure === "" ? "" : ` (${figure} error)`}, from ${source}`, reached];
    printLines(`${name}: the paper's ${shown.filter((part) => part !== undefined).join("; ")}\n`);
  }
  const blank = (n: number) => (n === 0 ? "" : grouped(n));
  const rows = layers.map((l) => [l.name, l.op, l.output.join("x"), blank(l.parameters), blank(l.multiplyAdds)]);
  rows.push(["total", "", "", grouped(total.parameters), grouped(total.multiplyAdds)]);
  printLines(table(["layer", "operation", "output", "parameters", "multiply-adds"], rows));
}
