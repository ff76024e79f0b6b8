/** `senet verify`: whether two weight files are the same network, and the first layer that differs. */

import type { Command } from "commander";
import { SenetError } from "../../errors.ts";
import { agreementOf, noisePictures } from "../../evaluate/agreement.ts";
import { dataOf, decode } from "../../evaluate/picture-input.node.ts";
import { pixelsOf } from "../../evaluate/picture-input.ts";
import { selectExecutor } from "../../executors/select.node.ts";
import type { Picture } from "../../images/resize.ts";
import { jsonOption, real } from "../options.ts";
import { print, printJson, say } from "../output.ts";
import { networkName, networksOf, weightsOf } from "../weights.ts";

interface VerifyOptions {
  readonly tolerance: number;
  readonly json?: true;
}

export function verifyCommand(program: Command): void {
  program
    .command("verify")
    .description("run two weight files on the same pictures, and name the first layer that differs")
    .usage("[options] <a> <b> [pictures...]")
    .argument(
      "<files...>",
      "two weight files of any formats and namings, each perhaps with its prototxt;\n" +
        "then pictures; default: two of seeded noise",
    )
    .option("--tolerance <t>", "largest difference of a layer, relative to its largest value", real, 1e-4)
    .addOption(jsonOption())
    .addHelpText(
      "after",
      "\nExits with 1 where they differ.\n\nExamples:\n" +
        "  senet verify SE-ResNet-50.caffemodel SE-ResNet-50-mcn.mat\n" +
        "  senet verify a.safetensors b.onnx cat.jpg dog.jpg --json",
    )
    .action(verify);
}

const isPicture = (file: string) => /\.(?:jpe?g|png|webp|gif|bmp|tiff?|avif)$/i.test(file);

async function verify(files: readonly string[], { tolerance, json }: VerifyOptions): Promise<void> {
  const networks = networksOf(files.filter((file) => !isPicture(file)));
  const [first, second] = networks;
  if (first === undefined || second === undefined || networks.length > 2) {
    throw new SenetError("usage", "two networks are compared", {
      expected: "senet verify A B [PICTURES...]",
      found: networks.map(networkName).join(", ") || "none",
    });
  }
  const [a, b] = [await weightsOf(first), await weightsOf(second)];
  const paths = files.filter(isPicture);
  const pictures: Picture[] = [];
  for (const path of paths) pictures.push(await pixelsOf(dataOf(path), decode));
  if (paths.length === 0) pictures.push(...noisePictures(a.preprocessing.crop));
  const { executor } = await selectExecutor({ say });
  const found = await agreementOf(a, b, pictures, executor, { tolerance });
  if (!found.agrees) process.exitCode = 1;
  const names = [networkName(first), networkName(second)];
  if (json === true) {
    printJson({ a: names[0], b: names[1], pictures: pictures.length, tolerance, ...found }, 2);
    return;
  }
  for (const note of found.notes) say(`senet: ${note}`);
  const on = `${pictures.length} ${pictures.length === 1 ? "picture" : "pictures"}${paths.length === 0 ? " of noise" : ""}`;
  const isComparable = a.model.classes === b.model.classes;
  const logits = isComparable
    ? `logits differ by ${found.logits.toExponential(1)}, relative`
    : `they have ${a.model.classes} and ${b.model.classes} classes`;
  const { first: layer, otherwiseFrom } = found;
  if (otherwiseFrom !== undefined && !found.agrees) {
    const both = `two networks, ${a.model.name} and ${b.model.name}`;
    const where = found.layers === 0 ? "from the beginning" : `from ${otherwiseFrom}`;
    const until =
      found.layers === 0
        ? ""
        : layer === undefined
          ? `; the ${found.layers} layers before agree`
          : `; before that ${layer.a}, ${layer.op}, differs by ${layer.difference.toExponential(1)}`;
    print(`these are ${both}, built differently ${where} on${until}; ${logits}, on ${on}`);
  } else if (layer !== undefined) {
    const called = layer.a === layer.b ? layer.a : `${layer.a} (${layer.b} in ${names[1]})`;
    print(
      `the first layer that differs is ${called}, ${layer.op}, by ${layer.difference.toExponential(1)}, relative; ${logits}, on ${on}`,
    );
  } else if (found.agrees) {
    print(`they agree: ${found.layers} layers within ${tolerance}, ${logits}, on ${on}`);
  } else print(`${logits}, on ${on}, beyond ${tolerance}; no layer was seen to differ first`);
}
