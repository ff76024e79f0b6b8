/** Your own network, from layers to a saved file: `node dist/examples/own-network.js pictures runs/own`. */

import { addShortcut, batchNorm, conv2d, dropout, linear, load, relu, type Scope, train, type Value } from "senet/node";

/**
 * A depthwise block with squeeze and excitation. The weights of layers built at `scope.at("x")` have names that start
 * with `x`.
 */
function block(scope: Scope, x: Value, stride: number, out: number): Value {
  const channels = x.type.shape[1]!;
  const wide = conv2d(scope.at("depthwise"), x, { out: channels, kernel: 3, stride, groups: channels });
  const narrow = conv2d(scope.at("pointwise"), relu(scope.at("relu1"), batchNorm(scope.at("bn1"), wide)), {
    out,
    kernel: 1,
  });
  const branch = batchNorm(scope.at("bn2"), narrow);
  const isSame = stride === 1 && channels === out;
  const shortcut = isSame ? x : conv2d(scope.at("shortcut"), x, { out, kernel: 1, stride });
  return relu(scope.at("relu2"), addShortcut(scope, branch, shortcut, { reduction: 4, bias: true }));
}

/** `image [N,3,S,S] → logits [N,classes]`. The function's name becomes the network's. */
function depthwiseNet(scope: Scope, image: Value, classes: number): Value {
  let x = conv2d(scope.at("stem"), image, { out: 16, kernel: 3 });
  for (const [i, out] of [16, 32, 64].entries())
    x = block(
      scope
        .at("blocks")
        .at(i)
        .asBlock(i + 1),
      x,
      i === 0 ? 1 : 2,
      out,
    );
  const pooled = scope.at("pool").apply("globalAvgPool", [x], {});
  const features = scope.at("flatten").tagged("features").apply("flatten", [pooled], {});
  return linear(scope.at("fc").tagged("head"), dropout(scope.at("dropout"), features, 0.1), classes);
}

const [data = "pictures", out = "runs/own"] = process.argv.slice(2);
const run = await train(data, { model: depthwiseNet, imageSize: 32, epochs: 2, batchSize: 6, out });

// A file holds only the weights; keep the function to open it.
await using network = await load(run.best, { model: depthwiseNet });
const { top1Error, images } = await network.evaluate(`${data}/val`);
console.log(`${network.model.name}: ${top1Error.toFixed(1)} % of ${images} pictures wrong`);
