// The same step in TensorFlow.js, whose convolutions need channels last.

import { lossBy, workOf } from "./walk.js";

const load = (path) =>
  new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = `/bench/tab/node_modules/@tensorflow/${path}`;
    script.onload = resolve;
    script.onerror = () => reject(new Error(`${path} does not load`));
    document.head.append(script);
  });

export async function stepOf({ graph: shape, images, labels, device }) {
  await load("tfjs/dist/tf.min.js");
  await load("tfjs-backend-wasm/dist/tf-backend-wasm.min.js");
  const { tf } = globalThis;
  tf.wasm.setWasmPaths("/bench/tab/node_modules/@tensorflow/tfjs-backend-wasm/dist/");
  await tf.setBackend(device);
  await tf.ready();
  const { graph, weights, learnt } = await workOf(shape);
  const { batch, imageSize, rate } = shape;
  const ops = {
    conv2d: ([x, w, b], { stride, pad }) => {
      const y = tf.conv2d(x, w, stride, typeof pad === "number" ? pad : pad[0]);
      return b === undefined ? y : y.add(b);
    },
    batchNormTraining: ([x, gamma, beta], { eps }) => {
      const mean = x.mean([0, 1, 2]);
      const centred = x.sub(mean);
      const variance = centred.square().mean([0, 1, 2]);
      return centred.div(variance.add(eps).sqrt()).mul(gamma).add(beta);
    },
    relu: ([x]) => x.relu(),
    sigmoid: ([x]) => x.sigmoid(),
    add: ([a, b]) => a.add(b),
    globalAvgPool: ([x]) => x.mean([1, 2], true),
    seScaleAdd: ([gate, x, plus]) => x.mul(gate).add(plus),
    seScale: ([gate, x]) => x.mul(gate),
    flatten: ([x]) => x.reshape([batch, x.shape[3]]),
    linear: ([x, w, b]) => tf.matMul(x, w, false, true).add(b),
    softmaxCrossEntropy: ([logits, targets]) =>
      tf
        .logSoftmax(logits)
        .mul(targets)
        .sum()
        .mul(-1 / batch),
  };
  const variables = {};
  const velocity = {};
  for (const { name, type } of learnt) {
    const value = tf.tensor(Float32Array.from(weights.get(name).data), [...type.shape]);
    variables[name] = tf.variable(type.shape.length === 4 ? value.transpose([2, 3, 1, 0]) : value, true, name);
    velocity[name] = tf.zerosLike(variables[name]);
  }
  const image = tf.tensor(images, [batch, 3, imageSize, imageSize]).transpose([0, 2, 3, 1]);
  const targets = tf.oneHot(tf.tensor1d(labels, "int32"), 10).toFloat();
  return async () => {
    const { value, grads } = tf.tidy(() =>
      tf.variableGrads(() => lossBy(graph, ops, { image, targets, parameters: variables })),
    );
    for (const [name, gradient] of Object.entries(grads)) {
      const moved = tf.tidy(() => velocity[name].mul(0.9).add(gradient));
      velocity[name].dispose();
      velocity[name] = moved;
      tf.tidy(() => variables[name].assign(variables[name].sub(moved.mul(rate))));
      gradient.dispose();
    }
    // Reads the last weights, so that everything has been computed.
    await Object.values(variables).at(-1).data();
    const loss = (await value.data())[0];
    value.dispose();
    return loss;
  };
}
