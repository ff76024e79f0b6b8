import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import sharp from "sharp";
import { form, png, sourceOf, type TestServer, testServer, tinyWeights } from "../../tests/serve.ts";
import { serve, status } from "../../tests/server.ts";
import { load, type Network } from "../api/network.node.ts";
import type { Prediction } from "../evaluate/classify.ts";
import { Fetcher } from "../pull/bytes.node.ts";
import { guardedAgent } from "../pull/public.node.ts";
import type * as z from "../schema.ts";
import { isOfProtocol, type Route, routes } from "./routes.ts";
import { faultSchema, kserveFaultSchema } from "./schemas.ts";

const octets = { "content-type": "application/octet-stream" };
const json = { "content-type": "application/json" };

let server: TestServer;
let network: Network;
let teal: Buffer;
let plum: Buffer;
/** What the library says of them. */
let expected: readonly (readonly Prediction[])[];

before(async () => {
  const weights = tinyWeights(3);
  [teal, plum] = await Promise.all([png("teal"), png("plum")]);
  server = await testServer({ sources: [sourceOf("tiny", weights), sourceOf("other", tinyWeights(4))] });
  network = await load(weights, { executor: "ort", threads: 1 });
  expected = await network.classify([teal, plum], { top: 2 });
});
after(() => network.dispose());

const classify = (payload: Buffer | string | object, headers: Record<string, string>, query = "?top=2") =>
  server.ask({ method: "POST", url: `/v1/classify${query}`, payload, headers });

test("a picture is classified however it is sent, as the library does", async () => {
  const base64 = teal.toString("base64");
  const answers = await Promise.all([
    classify(teal, octets),
    classify(teal, { "content-type": "image/png" }),
    classify(teal, { "content-type": "application/x-www-form-urlencoded" }),
    classify(teal, { "content-type": "binary/octet-stream" }),
    ...[form([{ name: "a", filename: "picture", data: teal }])].map(({ payload, headers }) =>
      classify(payload, headers),
    ),
    classify({ pictures: [{ base64 }], top: 2 }, json, ""),
    classify({ pictures: [{ base64, name: null }] }, json),
    classify({ pictures: [{ base64: `data:image/png;base64,${base64}`, name: "picture" }] }, json),
  ]);
  for (const { statusCode, body } of answers) {
    assert.equal(statusCode, 200, body);
    const { model, version, results } = JSON.parse(body) as { model: string; version: string; results: unknown[] };
    assert.equal(model, "tiny");
    assert.match(version, /^[0-9a-f]{12}$/);
    assert.deepEqual(results, [{ name: "picture", predictions: expected[0] }]);
  }
});

test("a body may be compressed", async () => {
  const listed = JSON.stringify({ pictures: [{ base64: teal.toString("base64") }] });
  for (const [coding, payload, headers] of [
    ["gzip", gzipSync(teal), octets],
    ["X-GZip", gzipSync(teal), octets],
    ["deflate", deflateSync(teal), octets],
    ["br", brotliCompressSync(teal), octets],
    ["identity", teal, octets],
    ["gzip", gzipSync(listed), json],
  ] as const) {
    const { statusCode, body } = await classify(payload, { ...headers, "content-encoding": coding });
    assert.equal(statusCode, 200, `${coding}: ${body}`);
    assert.deepEqual(JSON.parse(body).results, [{ name: "picture", predictions: expected[0] }]);
  }
});

test("several pictures have an answer each, and those that are none an error", async () => {
  const { payload, headers } = form([
    { name: "x", filename: "teal.png", data: teal },
    { name: "top", data: "2" },
    { name: "x", filename: "notes.txt", data: "no picture at all" },
    { name: "y", filename: "plum.png", data: plum },
  ]);
  const { statusCode, body } = await classify(payload, headers, "");
  assert.equal(statusCode, 200, body);
  const [first, second, third] = (JSON.parse(body) as { results: { name: string; error?: { code: string } }[] })
    .results;
  assert.deepEqual(first, { name: "teal.png", predictions: expected[0] });
  assert.deepEqual([second!.name, second!.error!.code], ["notes.txt", "unusable_picture"]);
  assert.deepEqual(third, { name: "plum.png", predictions: expected[1] });
});

test("the model is the first, or the one that is named", async () => {
  const named = await classify(teal, octets, "?model=other");
  const { model, results } = named.json<{ model: string; results: { predictions: unknown[] }[] }>();
  assert.deepEqual([model, results[0]!.predictions.length], ["other", 4]);
  const unknown = await classify(teal, octets, "?model=othr");
  assert.equal(unknown.statusCode, 404);
  assert.deepEqual(unknown.json(), {
    error: {
      code: "unknown_model",
      message: "there is no such model here",
      ...{ expected: "tiny, other", found: "othr", hint: "the nearest: other" },
    },
  });
  const { models } = (await server.ask({ url: "/v1/models" })).json<{ models: { name: string; input: number[] }[] }>();
  assert.deepEqual(
    models.map(({ name, input }) => [name, input]),
    [
      ["tiny", [3, 16, 16]],
      ["other", [3, 16, 16]],
    ],
  );
});

test("features are the library's, and the map is Grad-CAM's", async () => {
  const ask = (url: string) => server.ask({ method: "POST", url, payload: teal, headers: octets });
  const features = (await ask("/v1/features")).json<{ results: { features: number[] }[] }>().results[0]!.features;
  assert.deepEqual(features, Array.from(await network.features(teal)));
  const explained = (await ask("/v1/explain?class=class%201&overlay=true&top=1")).json<{
    results: { target: { index: number }; heat: { width: number; values: number[] }; overlay: string }[];
  }>().results[0]!;
  const { heat } = await network.explain(teal, { target: 1 });
  assert.equal(explained.target.index, 1);
  assert.deepEqual(explained.heat.values, Array.from(heat.values));
  const { width, height } = await sharp(Buffer.from(explained.overlay, "base64")).metadata();
  assert.deepEqual([width, height], [16, 16]);
  const plain = (await ask("/v1/explain?stage=1")).json<{ results: object[] }>().results[0]!;
  assert.ok(!("overlay" in plain));
});

test("a picture is fetched where that is allowed, and what cannot be had says why", async () => {
  const fetcher = new Fetcher({ dispatcher: guardedAgent((address) => address === "127.0.0.1") });
  after(() => fetcher.close());
  const open = await testServer({ fetcher });
  const { origin } = await serve((request, response) => {
    if (request.url === "/teal.png") response.end(teal);
    else if (request.url === "/large.png") response.end(Buffer.alloc(600_000));
    else if (request.url !== "/never.png") status(404)(request, response);
  });
  const ask = (url: string) =>
    open.ask({ method: "POST", url: "/v1/classify?top=2", payload: { pictures: [{ url }] }, headers: json });
  const answer = await ask(`${origin}/teal.png`);
  assert.deepEqual(answer.json<{ results: object[] }>().results, [
    { name: `${origin}/teal.png`, predictions: expected[0] },
  ]);
  const twice = Array(2).fill({ url: `${origin}/large.png` });
  const large = await open.ask({ method: "POST", url: "/v1/classify", payload: { pictures: twice }, headers: json });
  assert.deepEqual([large.statusCode, /too large together/.test(large.body)], [413, true]);
  const late = await open.ask({
    ...{ method: "POST", url: "/v1/classify", payload: { pictures: [{ url: `${origin}/never.png` }] } },
    headers: { ...json, "x-request-timeout": "0.05" },
  });
  assert.deepEqual([late.statusCode, late.json<{ error: { code: string } }>().error.code], [503, "timeout"]);
  const missing = await ask(`${origin}/plum.png`);
  assert.deepEqual([missing.statusCode, /status 404/.test(missing.body)], [422, true]);
  const inside = await ask("http://169.254.169.254/latest/meta-data");
  assert.deepEqual([inside.statusCode, /not on the public internet/.test(inside.body)], [422, true]);
  for (const url of ["file:///etc/passwd", "data:text/plain,x", "ftp://127.0.0.1/", "nowhere"])
    assert.equal((await ask(url)).statusCode, 422, url);
});

/** What is asked, and the status, the code and the words of its refusal. */
const refused: readonly (readonly [
  what: string,
  request: () => Parameters<TestServer["ask"]>[0],
  number,
  string,
  RegExp,
])[] = [
  ["no body", () => ({ url: "/v1/classify", headers: octets }), 400, "bad_request", /no body/],
  [
    "no picture",
    () => ({ payload: "hello", headers: octets }),
    422,
    "unusable_picture",
    /not a picture of a supported kind/,
  ],
  ["half a picture", () => ({ payload: teal.subarray(0, 60), headers: octets }), 422, "unusable_picture", /./],
  [
    "another type",
    () => ({ payload: "<a/>", headers: { "content-type": "text/xml" } }),
    415,
    "unsupported_media_type",
    /multipart/,
  ],
  ["JSON that is none", () => ({ payload: "{", headers: json }), 400, "bad_request", /not JSON/],
  [
    "a picture that is no object",
    () => ({ payload: { pictures: ["AAAA"] }, headers: json }),
    400,
    "bad_request",
    /pictures\.0/,
  ],
  ["JSON without pictures", () => ({ payload: [], headers: json }), 400, "bad_request", /has no pictures/],
  [
    "a picture of no kind",
    () => ({ payload: { pictures: [{ file: "/etc/passwd" }] }, headers: json }),
    400,
    "bad_request",
    /pictures|0/,
  ],
  [
    "no base64",
    () => ({ payload: { pictures: [{ base64: "%%%" }] }, headers: json }),
    400,
    "bad_request",
    /not base64/,
  ],
  [
    "an address",
    () => ({ payload: { pictures: [{ url: "http://example.org/a.jpg" }] }, headers: json }),
    400,
    "bad_request",
    /not fetched here/,
  ],
  [
    "too many pictures",
    () => ({ payload: { pictures: Array(5).fill({ base64: "AAAA" }) }, headers: json }),
    413,
    "too_large",
    /at most 4/,
  ],
  [
    "an unknown parameter",
    () => ({ url: "/v1/classify?tpo=3", payload: teal, headers: octets }),
    400,
    "bad_request",
    /top/,
  ],
  [
    "a wrong parameter",
    () => ({ url: "/v1/classify?top=none", payload: teal, headers: octets }),
    400,
    "bad_request",
    /top/,
  ],
  [
    "too many bytes",
    () => ({ payload: Buffer.alloc(2 ** 20 + 1), headers: octets }),
    413,
    "too_large",
    /at most 1048576 bytes/,
  ],
  [
    "a number that is none",
    () => ({ url: "/v1/classify?top=abc", payload: teal, headers: octets }),
    400,
    "bad_request",
    /expected":"a whole number","found":"\\"abc\\""/,
  ],
  ["a form without file", () => form([{ name: "top", data: "1" }]), 400, "bad_request", /no file/],
  ["a form that is none", () => ({ ...form([]), payload: "abc" }), 400, "bad_request", /cannot be read/],
  [
    "a class that is not there",
    () => ({ url: "/v1/explain?class=cat", payload: teal, headers: octets }),
    400,
    "bad_request",
    /does not know this class/,
  ],
  [
    "a time that is none",
    () => ({ payload: teal, headers: { ...octets, "x-request-timeout": "soon" } }),
    400,
    "bad_request",
    /not a time/,
  ],
  [
    "a body compressed in a way that is not read",
    () => ({ payload: teal, headers: { ...octets, "content-encoding": "zstd" } }),
    415,
    "unsupported_media_type",
    /gzip, deflate or br/,
  ],
  [
    "a body compressed twice",
    () => ({ payload: gzipSync(gzipSync(teal)), headers: { ...octets, "content-encoding": "gzip, gzip" } }),
    415,
    "unsupported_media_type",
    /gzip, gzip/,
  ],
  [
    "a body that is not compressed as it says",
    () => ({ payload: teal, headers: { ...octets, "content-encoding": "gzip" } }),
    400,
    "bad_request",
    /cannot be unpacked.*incorrect header check/,
  ],
  [
    "a compressed body that is cut off",
    () => ({ payload: gzipSync(teal).subarray(0, -9), headers: { ...octets, "content-encoding": "gzip" } }),
    400,
    "bad_request",
    /cannot be unpacked.*unexpected end/,
  ],
  [
    "a small body that becomes a large one",
    () => ({ payload: gzipSync(Buffer.alloc(2 ** 20 + 1)), headers: { ...octets, "content-encoding": "gzip" } }),
    413,
    "too_large",
    /at most 1048576 bytes/,
  ],
  ["another method", () => ({ method: "PUT", payload: teal, headers: octets }), 405, "method_not_allowed", /POST/],
  ["another address", () => ({ url: "/v1/clasify", payload: teal, headers: octets }), 404, "not_found", /openapi/],
];

for (const [what, request, status, code, words] of refused) {
  test(`${what} is refused in words`, async () => {
    const asked = request();
    const { statusCode, body } = await server.ask({ method: "POST", url: "/v1/classify", ...(asked as object) });
    assert.equal(statusCode, status, body);
    const { error } = JSON.parse(body) as { error: { code: string; message: string } };
    assert.equal(error.code, code);
    assert.match(body, words);
    assert.doesNotMatch(body, /\n +at |\.node\.|node_modules|safetensors/);
  });
}

test("base64 may be broken into lines, and of either alphabet", async () => {
  const base64 = plum.toString("base64");
  const lines = base64.replace(/.{76}/g, "$&\n");
  const address = plum.toString("base64url");
  for (const text of [lines, `${lines}\n`, address, `data:image/png;base64,${lines}`]) {
    const { statusCode, body } = await classify({ pictures: [{ base64: text }] }, json);
    assert.equal(statusCode, 200, body);
    assert.deepEqual(
      (JSON.parse(body) as { results: { predictions: unknown }[] }).results[0]!.predictions,
      expected[1],
    );
  }
});

test("at KServe's addresses an error is a text, as its clients have it", async () => {
  for (const [request, status, words] of [
    [{ url: "/v2/models/othr" }, 404, /no such model here; expected tiny, other; found othr; the nearest: other/],
    [{ url: "/v2/nothing" }, 404, /nothing at this address/],
    [{ method: "POST", url: "/v2/models/tiny/infer", payload: "{", headers: json }, 400, /not JSON/],
    [{ method: "PUT", url: "/v2/models/tiny/infer" }, 405, /expected POST/],
    [{ url: "/v2/models/%ff" }, 400, /./],
  ] as const) {
    const { statusCode, body } = await server.ask(request);
    const { error, code } = JSON.parse(body) as { error: unknown; code: unknown };
    assert.deepEqual([statusCode, typeof error, typeof code], [status, "string", "string"], body);
    assert.match(`${error}`, words);
  }
});

test("pages of other origins may read the answers where that is allowed, errors too", async () => {
  const [mine, other] = ["https://mine.example", "https://other.example"];
  const asked = { "access-control-request-method": "POST", "access-control-request-headers": "content-type, x-a" };
  const headersOf = async (to: TestServer, request: Parameters<TestServer["ask"]>[0]) => {
    const { statusCode, headers } = await to.ask(request);
    const cors = Object.entries(headers).filter(([name]) => name === "vary" || name.startsWith("access-control-"));
    return [statusCode, Object.fromEntries(cors.map(([name, value]) => [name.replace("access-control-", ""), value]))];
  };
  const exposed = { "expose-headers": "inference-header-content-length, retry-after" };
  const answers = { "allow-methods": "GET, HEAD, POST", "allow-headers": "content-type, x-a", "max-age": "7200" };
  const preflight = (origin: string, url = "/v1/classify") =>
    ({ method: "OPTIONS", url, headers: { origin, ...asked } }) as const;

  assert.deepEqual(await headersOf(server, { url: "/v2", headers: { origin: mine } }), [200, {}]);
  assert.deepEqual(await headersOf(server, preflight(mine)), [405, {}]);

  const listed = await testServer({ allowedOrigins: ["null", mine] });
  const allowed = { "allow-origin": mine, ...exposed, vary: "Origin" };
  for (const [url, status] of [
    ...[
      ["/v2", 200],
      ["/metrics", 200],
      ["/openapi.json", 200],
      ["/nowhere", 404],
      ["/v1/classify", 405],
    ],
    ...[
      ["/%ff", 400],
      ["/v2/models/x", 404],
    ],
  ] as const) {
    assert.deepEqual(await headersOf(listed, { url, headers: { origin: mine } }), [status, allowed], url);
    assert.deepEqual(await headersOf(listed, { url, headers: { origin: other } }), [status, { vary: "Origin" }], url);
    assert.deepEqual(await headersOf(listed, { url }), [status, { vary: "Origin" }], url);
  }
  const vary = "Origin, Access-Control-Request-Headers";
  for (const url of ["/v1/classify", "/v2/models/tiny/infer", "/nowhere"])
    assert.deepEqual(await headersOf(listed, preflight(mine, url)), [204, { "allow-origin": mine, vary, ...answers }]);
  assert.deepEqual(await headersOf(listed, preflight(other)), [204, { vary }]);
  assert.deepEqual((await headersOf(listed, { method: "OPTIONS", url: "/v2", headers: { origin: mine } }))[0], 405);

  const open = await testServer({ allowedOrigins: ["*"] });
  const headers = { ...octets, origin: other };
  const post = { method: "POST", url: "/v1/classify", payload: "no picture", headers } as const;
  assert.deepEqual(await headersOf(open, post), [422, { "allow-origin": "*", ...exposed }]);
  const any = { "allow-origin": "*", vary: "Access-Control-Request-Headers", ...answers };
  assert.deepEqual(await headersOf(open, preflight(other)), [204, any]);
});

test("what an address is asked by instead is told", async () => {
  const allowed = async (method: "GET" | "POST" | "OPTIONS", url: string) => {
    const { statusCode, headers } = await server.ask({ method, url });
    return [statusCode, headers.allow];
  };
  assert.deepEqual(await allowed("GET", "/v1/classify"), [405, "POST"]);
  assert.deepEqual(await allowed("OPTIONS", "/v1/classify"), [405, "POST"]);
  assert.deepEqual(await allowed("POST", "/v2/models/tiny/ready"), [405, "GET, HEAD"]);
  assert.deepEqual(await allowed("GET", "/v2/models/tiny"), [200, undefined]);
});

test("a picture of too many pixels is refused before it is decoded", async () => {
  const { statusCode, body } = await classify(await png("navy", 1100, 1000), octets);
  assert.equal(statusCode, 422);
  assert.match(body, /too many pixels.*1100 × 1000/);
});

test("KServe's clients find the server and its networks", async () => {
  const get = async (url: string) => {
    const { statusCode, body } = await server.ask({ url });
    return [statusCode, JSON.parse(body) as unknown];
  };
  const { version } = server.models.get("tiny");
  const extensions = ["binary_tensor_data", "classification", "model_configuration"];
  assert.deepEqual(await get("/v2"), [200, { name: "senet", version: "1.2.3", extensions }]);
  assert.equal((await get("/v2/"))[0], 200);
  assert.deepEqual(await get("/v2/health/live"), [200, { live: true }]);
  assert.deepEqual(await get("/v2/health/ready"), [200, { ready: true }]);
  assert.deepEqual(await get("/v2/models/tiny/ready"), [200, { name: "tiny", ready: true }]);
  assert.deepEqual(await get(`/v2/models/tiny/versions/${version}/ready`), [200, { name: "tiny", ready: true }]);
  assert.equal((await get("/v2/models/tiny/versions/1/ready"))[0], 404);
  assert.equal((await get("/v2/models/tinny/ready"))[0], 404);
  assert.deepEqual(await get("/v2/models/tiny"), [
    200,
    {
      ...{ name: "tiny", versions: [version], platform: "senet_ort" },
      inputs: [{ name: "image", datatype: "FP32", shape: [-1, 3, 16, 16] }],
      outputs: [
        { name: "logits", datatype: "FP32", shape: [-1, 3] },
        { name: "probabilities", datatype: "FP32", shape: [-1, 3] },
      ],
    },
  ]);
});

test("Triton's clients are told the configuration, and what there is", async () => {
  const config = (await server.ask({ url: "/v2/models/tiny/config" })).json<object>();
  assert.deepEqual(config, {
    ...{ name: "tiny", platform: "senet_ort", backend: "senet", max_batch_size: 4 },
    input: [{ name: "image", data_type: "TYPE_FP32", dims: [3, 16, 16] }],
    output: ["logits", "probabilities"].map((name) => ({ name, data_type: "TYPE_FP32", dims: [3] })),
  });
  // Its clients send what they want to know of, or nothing.
  for (const payload of ["", '{"ready":true}']) {
    const index = await server.ask({ method: "POST", url: "/v2/repository/index", payload });
    assert.deepEqual(
      index.json<object>(),
      ["tiny", "other"].map((name) => ({ name, version: server.models.get(name).version, state: "READY" })),
    );
  }
});

test("the document names every address, with the schemas that check", async () => {
  const document = (await server.ask({ url: "/openapi.json" })).json<{
    openapi: string;
    paths: Record<string, Record<string, { parameters: { name: string }[]; requestBody?: { content: object } }>>;
  }>();
  assert.equal(document.openapi, "3.1.0");
  const { post } = document.paths["/v1/classify"]!;
  assert.deepEqual(
    post!.parameters.map(({ name }) => name),
    ["model", "top", "X-Request-Timeout"],
  );
  assert.deepEqual(Object.keys(post!.requestBody!.content), [
    ...["image/*", "application/octet-stream", "multipart/form-data", "application/json"],
  ]);
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const method of Object.keys(methods)) {
      const url = path.replace("{model}", "tiny").replace("{version}", server.models.get().version);
      const { statusCode } = await server.ask({ method: method.toUpperCase() as "GET", url });
      assert.ok(statusCode === 200 || (method === "post" && statusCode === 400), `${method} ${url}: ${statusCode}`);
    }
  }
});

test("each answer is one that the document names, and what its schema says", async () => {
  type Content = Readonly<Record<string, unknown>>;
  type Operation = { readonly responses: Readonly<Record<string, { readonly content?: Content }>> };
  const { paths } = (await server.ask({ url: "/openapi.json" })).json<{
    paths: Record<string, Record<string, Operation>>;
  }>();
  const schemaOf = (route: Route, status: number) => {
    if (status === 200) return route.answer as z.Schema;
    return isOfProtocol(route.url) ? kserveFaultSchema : faultSchema;
  };
  const image = { name: "image", shape: [1, 3, 16, 16], datatype: "FP32", data: Array(768).fill(0.5) };
  const bodies = [
    { payload: teal, headers: octets },
    { payload: "no picture", headers: octets },
    { payload: "", headers: octets },
    { payload: "<a/>", headers: { "content-type": "text/xml" } },
    { payload: { pictures: Array(5).fill({ base64: "AAAA" }) }, headers: json },
    { payload: { pictures: [{ base64: "AAAA" }, { base64: teal.toString("base64") }] }, headers: json },
    { payload: { inputs: [image] }, headers: json },
    { payload: { inputs: [image], outputs: [{ name: "logits", parameters: { classification: 2 } }] }, headers: json },
    { payload: teal, headers: { ...octets, "x-request-timeout": "1e-9" } },
    { payload: { inputs: [image] }, headers: { ...json, "x-request-timeout": "1e-9" } },
    { payload: teal, headers: { ...octets, "content-encoding": "zstd" } },
  ];
  const seen = new Set<string>();
  for (const [name, route] of Object.entries<Route>(routes)) {
    const documented = paths[route.url.replace(/:(\w+)/g, "{$1}")]![route.method.toLowerCase()]!;
    const version = server.models.get().version;
    for (const model of ["tiny", "nobody"]) {
      const path = route.url.replace(":model", model).replace(":version", version);
      for (const query of route.query === undefined ? [""] : ["", "?top=2&model=nobody", "?nothing=1"]) {
        for (const sent of route.method === "POST" ? bodies : [{}]) {
          const { statusCode, headers, body } = await server.ask({
            method: route.method,
            url: `${path}${query}`,
            ...sent,
          });
          const [type] = `${headers["content-type"]}`.split(";");
          const found = `${name} ${statusCode} ${type}`;
          seen.add(found);
          assert.ok(type! in (documented.responses[statusCode]?.content ?? {}), found);
          if (type !== "application/json" || route.answer === "document") continue;
          assert.deepEqual(schemaOf(route, statusCode).safeParse(JSON.parse(body)).error?.issues, undefined, found);
        }
      }
    }
  }
  for (const found of [200, 400, 404, 413, 415, 422, 503].map((status) => `classify ${status} application/json`))
    assert.ok(seen.has(found), found);
  for (const found of [200, 400, 404, 415, 503].map((status) => `infer ${status} application/json`))
    assert.ok(seen.has(found), found);
});

test("metrics count what was asked, by route and status", async () => {
  const fresh = await testServer();
  const ask = (payload: string | Buffer) =>
    fresh.ask({ method: "POST", url: "/v1/classify", payload, headers: octets });
  await Promise.all([ask(teal), ask(plum), ask("no picture")]);
  const { headers, body } = await fresh.ask({ url: "/metrics" });
  assert.match(`${headers["content-type"]}`, /^text\/plain; version=0\.0\.4/);
  const lines = body.split("\n");
  for (const line of [
    'senet_requests_total{route="/v1/classify",method="POST",status="200"} 2',
    'senet_requests_total{route="/v1/classify",method="POST",status="422"} 1',
    'senet_request_duration_seconds_bucket{route="/v1/classify",le="+Inf"} 3',
    'senet_request_duration_seconds_count{route="/v1/classify"} 3',
    'senet_pictures_total{model="tiny"} 3',
    'senet_refused_total{code="unusable_picture"} 1',
    "senet_queue_length 0",
    "senet_in_flight 0",
  ]) {
    assert.ok(lines.includes(line), `${line} is not in\n${body}`);
  }
  assert.match(body, /^senet_model_info\{name="tiny",version="[0-9a-f]{12}",network="se-resnet-20"\} 1$/m);
  assertExposition(body);
});

/** Prometheus's text format (version 0.0.4), as its document has it. */
function assertExposition(text: string): void {
  assert.match(text, /\n$/);
  const kinds = new Map<string, string>();
  const seen = new Set<string>();
  let family = "";
  const label = String.raw`[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"`;
  const sample = new RegExp(String.raw`^([a-zA-Z_:][\w:]*)((?:\{${label}(?:,${label})*\})?) (\S+)$`);
  for (const line of text.slice(0, -1).split("\n")) {
    const [, kind, name = "", rest] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (kind === "HELP") {
      family = name;
      assert.ok(!kinds.has(name), `${name} is in one piece`);
    } else if (kind === "TYPE") {
      assert.equal(name, family);
      kinds.set(name, rest!);
      assert.match(rest!, /^(counter|gauge|histogram)$/);
    } else {
      const [, metric, labels, value] = sample.exec(line) ?? assert.fail(line);
      const ending = kinds.get(family) === "histogram" ? "_(?:bucket|sum|count)" : "";
      assert.match(metric!, new RegExp(`^${family}${ending}$`));
      if (kinds.get(family) === "counter") assert.match(metric!, /_total$/);
      assert.ok(Number(value) >= 0, line);
      assert.ok(!seen.has(`${metric}${labels}`), `${line} is there once`);
      seen.add(`${metric}${labels}`);
    }
  }
}
