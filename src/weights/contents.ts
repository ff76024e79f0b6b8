/** Tells the file with weights from those that describe its network. */

import { SenetError } from "../errors.ts";
import type { CaffeMean } from "../import/caffe-input.ts";
import type { FileContent } from "./source.ts";

/** Files that accompany weights. */
type Beside = Extract<FileContent, { kind: "definition" | "symbol" | "mean" }>;
export type MainContent = Exclude<FileContent, Beside>;
export type WeightsContent = Extract<FileContent, { kind: "weights" }>;
export type SymbolContent = Extract<FileContent, { kind: "symbol" }>;
export type DefinitionContent = Extract<FileContent, { kind: "definition" }>;

export interface SortedContents {
  readonly main: MainContent;
  readonly definition: DefinitionContent | undefined;
  readonly symbol: SymbolContent | undefined;
  readonly mean: CaffeMean | undefined;
}

const isBeside = (content: FileContent): content is Beside =>
  content.kind === "definition" || content.kind === "symbol" || content.kind === "mean";

/**
 * Separates the one file with weights from those that may accompany it: a Caffe network's definition and mean, MXNet's
 * graph.
 */
export function sortContents(contents: readonly FileContent[]): SortedContents {
  const definitions = contents.filter((content) => content.kind === "definition");
  const means = contents.filter((content) => content.kind === "mean");
  const symbols = contents.filter((content) => content.kind === "symbol");
  const [main, other] = contents.filter((content) => !isBeside(content));
  const where = contents.map(({ where }) => where).join(", ");
  if (main === undefined) {
    const isMean = definitions.length + symbols.length === 0;
    const what = isMean ? "the mean of a network's pictures" : "the definition of a network";
    const weights = symbols.length > 0 ? ".params" : ".caffemodel";
    throw new SenetError("weights", `this is ${what}, without its weights`, {
      where,
      expected: `a ${weights} beside it`,
      found: contents.map(({ format }) => format).join(" and "),
      hint: `give the ${weights} too`,
    });
  }
  const isCaffe = main.kind === "weights" && main.caffe !== undefined;
  const ofCaffe = definitions.length + means.length;
  const isFitting = (ofCaffe === 0 || isCaffe) && (symbols.length === 0 || main.format === "mxnet");
  if (other !== undefined || definitions.length > 1 || means.length > 1 || symbols.length > 1 || !isFitting) {
    throw new SenetError("usage", "these files do not make one network", {
      where,
      expected:
        "one file of weights; or a prototxt, its caffemodel, and perhaps the mean's binaryproto; or a symbol.json and its .params",
      found: contents.map(({ format }) => format).join(" and "),
    });
  }
  return { main, definition: definitions[0], symbol: symbols[0], mean: means[0] };
}
