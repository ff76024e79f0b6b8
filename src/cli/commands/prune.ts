/** `senet prune`: ranks the blocks and channels that a network could do without, by its gates. */

import type { Command } from "commander";
import { Network } from "../../api/network.node.ts";
import { SenetError } from "../../errors.ts";
import { selectExecutor } from "../../executors/select.node.ts";
import { graphCost } from "../../ir/cost.ts";
import { inferenceGraph } from "../../zoo/index.ts";
import {
  count,
  type EngineFlags,
  executorOption,
  jsonOption,
  list,
  part,
  precisionOption,
  stateOption,
  threadsOption,
  workersOption,
} from "../options.ts";
import { checkKeeps, checkOutFile } from "../out-file.ts";
import { grouped, LiveLine, print, printJson, printLines, say, table } from "../output.ts";
import { labelsOption, preprocessingOptions } from "../preprocessing.ts";
import { networkName, networksOf, type WeightsOptions, weightsOf } from "../weights.ts";

interface PruneCommandOptions extends WeightsOptions, EngineFlags {
  readonly weights: readonly string[];
  readonly data: string;
  readonly sample: number;
  readonly parts?: readonly number[];
  readonly remove?: readonly string[];
  readonly out?: string;
  readonly batchSize: number;
  readonly workers?: number;
  readonly json?: true;
}

export function pruneCommand(program: Command): void {
  const command = program
    .command("prune")
    .description("rank blocks and channels by their gates, and show what removing them costs")
    .requiredOption("--weights <file...>", "as for senet evaluate; one network")
    .addOption(stateOption())
    .requiredOption("--data <path>", "pictures with their classes, as for senet evaluate")
    .option("--sample <n>", "use this many of the pictures, evenly spread", count, 512)
    .option(
      "--parts <list>",
      "which parts of all channels are closed, the least open first; default: 0.05,0.1,0.2,0.33,0.5",
      list(part),
    )
    .option(
      "--remove <list>",
      "remove these blocks (layer3.4,layer4.1) instead of ranking, and measure the rest",
      list((text) => text.trim()),
    )
    .option(
      "--out <file>",
      "with --remove: write the smaller network as .safetensors, to use and train it like any other",
    )
    .option("--batch-size <n>", "images per run of the network", count, 32)
    .addOption(workersOption())
    .addOption(executorOption())
    .addOption(precisionOption())
    .addOption(threadsOption())
    .addOption(jsonOption())
    .addOption(labelsOption())
    .addHelpText(
      "after",
      "\nExamples:\n  senet prune --weights runs/first/best.safetensors --data pictures/val\n" +
        "  senet prune --weights se-resnet-50 --data imagenet/val --sample 2000 --parts 0.1,0.3 --json\n" +
        "  senet prune --weights se-resnet-50 --data imagenet/val --remove layer3.5,layer3.4 --out smaller.safetensors\n\n" +
        "To rank, a block or a channel is removed by closing its gates, and the network is measured again; nothing is written.",
    )
    .action(prune);
  for (const option of preprocessingOptions()) command.addOption(option);
}

async function prune(options: PruneCommandOptions): Promise<void> {
  const { data, sample, parts, batchSize, workers, threads, json } = options;
  const { remove, out } = options;
  if (out !== undefined) {
    checkOutFile(out, [".safetensors"], "smaller");
    if (remove === undefined)
      throw new SenetError("usage", "nothing says which blocks are to be taken out", { expected: "--remove BLOCKS" });
  }
  const networks = networksOf(options.weights);
  const files = networks[0]!;
  if (networks.length > 1) {
    throw new SenetError("usage", "one network is pruned at a time", {
      where: "--weights",
      expected: "the files of one network",
      found: networks.map(networkName).join(", "),
    });
  }
  const checkpoint = await weightsOf(files, options);
  if (out !== undefined) checkKeeps(out, checkpoint.read, "another --out");
  say(`${networkName(files)}: pictures as ${checkpoint.told}`);
  const { executor, reason } = await selectExecutor({ name: options.executor, precision: options.precision, say });
  say(`${checkpoint.model.name} on executor ${executor.name}: ${reason}`);
  await using network = new Network(checkpoint, executor, { threads });
  if (remove !== undefined) return removeBlocks(network, remove, options);
  const line = new LiveLine();
  const found = await network.prune(data, {
    sample,
    batchSize,
    ...(parts && { parts }),
    ...(workers !== undefined && { workers }),
    onProgress: (done, total) => line.show(() => `${done} of ${total} networks measured`),
  });
  if (json === true) {
    printJson(found, 2);
    return;
  }
  print(`${grouped(found.whole.images)} pictures, top-1 error ${percent(found.whole.top1Error)}`);
  print();
  printLines(
    table(
      ["block", "channels", "mean gate", "varies by", "error, gates at their means", "error, block removed"],
      found.blocks.map(({ block, channels, mean, spread, fixedTop1Error, closedTop1Error }) => [
        ...[
          block,
          `${channels}`,
          mean.toFixed(3),
          spread.toFixed(3),
          percent(fixedTop1Error),
          percent(closedTop1Error),
        ],
      ]),
    ),
  );
  print();
  printLines(
    table(
      ["channels removed", "of all", "mean gates up to", "error"],
      found.parts.map(({ part, channels, below, top1Error }) => [
        ...[grouped(channels), `${(100 * part).toFixed(0)} %`, below.toFixed(3), percent(top1Error)],
      ]),
    ),
  );
}

const percent = (error: number) => `${error.toFixed(2)} %`;

/** Measures the network with and without these blocks, and writes the smaller one. */
async function removeBlocks(whole: Network, blocks: readonly string[], options: PruneCommandOptions): Promise<void> {
  const { data, sample, batchSize, workers, json, out } = options;
  await using smaller = whole.withoutBlocks(blocks);
  const line = new LiveLine();
  const rowOf = async (network: Network, what: string) => {
    const { images, top1Error } = await network.evaluate(data, {
      sample,
      batchSize,
      ...(workers && { workers }),
      onProgress: ({ done, total }) => line.show(() => `${what}: ${done} of ${total} pictures`),
    });
    const graph = inferenceGraph(network.model, { batch: 1, imageSize: network.preprocessing.crop });
    const { parameters, multiplyAdds } = graphCost(graph);
    return { images, parameters, multiplyAdds, top1Error };
  };
  const before = await rowOf(whole, "whole");
  const after = await rowOf(smaller, "without the blocks");
  if (json === true) printJson({ removed: blocks, whole: before, smaller: after }, 2);
  else {
    const shown = ({ parameters, multiplyAdds, top1Error }: typeof before) => [
      ...[grouped(parameters), `${(multiplyAdds / 1e9).toFixed(3)} G`, percent(top1Error)],
    ];
    print(`${grouped(before.images)} pictures`);
    print();
    printLines(
      table(
        ["network", "parameters", "multiply-adds", "top-1 error"],
        [
          ["whole", ...shown(before)],
          [`without ${blocks.join(", ")}`, ...shown(after)],
        ],
      ),
    );
  }
  if (out === undefined) return;
  await smaller.save(out);
  say(`${out}: ${whole.model.name} without ${blocks.join(", ")}`);
}
