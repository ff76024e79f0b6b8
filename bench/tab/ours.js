// Our step in a page: the training graph on ONNX Runtime's WebAssembly, the optimiser in TypeScript.

export async function stepOf({ graph: { batch, imageSize, model: name, rate }, images, labels, threads }) {
  const senet = await import("senet");
  const { webExecutor, loadRuntime } = await import("/dist/src/executors/ort/executor.web.js");
  const module = "/web/node_modules/onnxruntime-web/dist/ort.wasm.min.mjs";
  const executor = webExecutor(await loadRuntime({ module: new URL(module, location.href).href }), "wasm", threads);
  const network = senet.model(name, 10);
  const weights = senet.initialWeights(senet.inferenceGraph(network, { batch: 1, imageSize }), 0);
  const step = await senet.TrainingStep.create(executor, network, weights, {
    ...{ batchSize: batch, imageSize, weightDecay: 0 },
    optimizer: { name: "sgd", momentum: 0.9 },
  });
  const pictures = senet.tensor([batch, 3, imageSize, imageSize], images);
  const targets = senet.tensor([batch], labels);
  let index = 0;
  return async () => (await step.run(pictures, targets, rate, { index: index++ })).loss;
}
