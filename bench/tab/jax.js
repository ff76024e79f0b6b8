// The same step in jax-js, jitted.

import { lossBy, workOf } from "./walk.js";

export async function stepOf({ graph: shape, images, labels, device }) {
  const jax = await import("/bench/tab/node_modules/@jax-js/jax/dist/index.js");
  const { numpy: np, lax, nn, valueAndGrad, jit } = jax;
  await jax.init(device);
  jax.defaultDevice(device);
  const { graph, weights, learnt } = await workOf(shape);
  const { batch, imageSize, rate } = shape;
  const perChannel = (vector) => vector.reshape([1, vector.shape[0], 1, 1]);
  const ops = {
    conv2d: ([x, w, b], { stride, pad, groups }) => {
      const side = typeof pad === "number" ? [pad, pad] : [pad[0], pad[1]];
      const y = lax.convGeneralDilated(
        x,
        w,
        [stride, stride],
        [side, side],
        groups > 1 ? { featureGroupCount: groups } : {},
      );
      return b === undefined ? y : y.add(perChannel(b));
    },
    batchNormTraining: ([x, gamma, beta], { eps }) => {
      const mean = x.ref.mean([0, 2, 3], { keepdims: true });
      const centred = x.sub(mean);
      const variance = np.square(centred.ref).mean([0, 2, 3], { keepdims: true });
      return centred
        .div(np.sqrt(variance.add(eps)))
        .mul(perChannel(gamma))
        .add(perChannel(beta));
    },
    relu: ([x]) => nn.relu(x),
    sigmoid: ([x]) => nn.sigmoid(x),
    add: ([a, b]) => a.add(b),
    globalAvgPool: ([x]) => x.mean([2, 3], { keepdims: true }),
    seScaleAdd: ([gate, x, plus]) => x.mul(gate).add(plus),
    seScale: ([gate, x]) => x.mul(gate),
    flatten: ([x]) => x.reshape([x.shape[0], x.shape[1]]),
    linear: ([x, w, b]) => np.matmul(x, w.transpose()).add(b.reshape([1, b.shape[0]])),
    softmaxCrossEntropy: ([logits, targets]) =>
      nn
        .logSoftmax(logits)
        .mul(targets)
        .sum()
        .mul(-1 / batch),
  };
  const take = (value, isLast) => (isLast ? value : value.ref);
  const loss = (parameters, image, targets) => lossBy(graph, ops, { image, targets, parameters, take });
  const gradient = jit(valueAndGrad(loss));
  const array = (data, dims) => np.array(data).reshape(dims);
  let parameters = {};
  let velocity = {};
  for (const { name, type } of learnt) {
    parameters[name] = array(Float32Array.from(weights.get(name).data), [...type.shape]);
    velocity[name] = np.zeros([...type.shape]);
  }
  const image = array(images, [batch, 3, imageSize, imageSize]);
  const rows = new Float32Array(batch * 10);
  labels.forEach((label, row) => {
    rows[row * 10 + label] = 1;
  });
  const targets = array(rows, [batch, 10]);
  return async () => {
    const refs = Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, value.ref]));
    const [value, gradients] = gradient(refs, image.ref, targets.ref);
    const [nextParameters, nextVelocity] = [{}, {}];
    for (const [name, was] of Object.entries(parameters)) {
      const moved = velocity[name].mul(0.9).add(gradients[name]);
      nextVelocity[name] = moved.ref;
      nextParameters[name] = was.sub(moved.mul(rate));
    }
    [parameters, velocity] = [nextParameters, nextVelocity];
    await jax.blockUntilReady(Object.values(parameters));
    return (await value.data())[0];
  };
}
