import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { brotliCompressSync, gunzipSync } from "node:zlib";
import { temporaryFolder } from "../../tests/command.ts";
import { readContent } from "./content.node.ts";
import { writeApp } from "./out.node.ts";
import { readPage } from "./page.node.ts";
import { serveApp } from "./server.node.ts";

const engine = Buffer.from("engine ".repeat(1000));
const page = temporaryFolder();
mkdirSync(join(page, "assets"));
writeFileSync(join(page, "index.html.br"), brotliCompressSync("<!doctype html>"));
writeFileSync(join(page, "assets", "engine-1a2b.wasm.br"), brotliCompressSync(engine));
const weights = join(temporaryFolder(), "my birds.safetensors");
writeFileSync(weights, "weights");

interface Answer {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** As it comes, with nothing undone. */
const get = (origin: string, path: string, headers = {}, method = "GET"): Promise<Answer> =>
  new Promise((resolve, reject) => {
    request(origin + path, { method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () =>
        resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    })
      .on("error", reject)
      .end();
  });

const content = await readContent([weights], "1.2.3", page);
const server = await serveApp(content, { host: "127.0.0.1", port: 0 });
after(() => server.stop());

test("the engine goes over the wire as it is kept, and to clients without brotli in what they take", async () => {
  const path = "/assets/engine-1a2b.wasm";
  const kept = readFileSync(join(page, "assets", "engine-1a2b.wasm.br"));
  const compressed = await get(server.origin, path, { "accept-encoding": "gzip, deflate, br, zstd" });
  assert.deepEqual([compressed.status, compressed.headers["content-encoding"]], [200, "br"]);
  assert.ok(compressed.body.equals(kept));
  assert.equal(compressed.headers["content-type"], "application/wasm");
  assert.match(`${compressed.headers["cache-control"]}`, /immutable/);
  const zipped = await get(server.origin, path, { "accept-encoding": "gzip, br;q=0" });
  assert.equal(zipped.headers["content-encoding"], "gzip");
  assert.ok(gunzipSync(zipped.body).equals(engine));
  const plain = await get(server.origin, path);
  assert.equal(plain.headers["content-encoding"], undefined);
  assert.ok(plain.body.equals(engine));
});

test("the page is isolated and may load nothing from elsewhere", async () => {
  const { status, headers, body } = await get(server.origin, "/?from=bookmark");
  assert.deepEqual([status, `${body}`], [200, "<!doctype html>"]);
  assert.equal(headers["cross-origin-opener-policy"], "same-origin");
  assert.equal(headers["cross-origin-embedder-policy"], "require-corp");
  const policy = `${headers["content-security-policy"]}`;
  assert.match(policy, /default-src 'none'; script-src 'self' 'wasm-unsafe-eval';/);
  assert.doesNotMatch(policy, /https?:|\*/);
});

test("a second time nothing is sent that has not changed", async () => {
  const { headers } = await get(server.origin, "/", { "accept-encoding": "br" });
  assert.equal(headers["cache-control"], "no-cache");
  const again = await get(server.origin, "/", { "accept-encoding": "br", "if-none-match": headers.etag });
  assert.deepEqual([again.status, again.body.length], [304, 0]);
  // The tag of another coding is not its own.
  assert.equal((await get(server.origin, "/", { "if-none-match": headers.etag })).status, 200);
});

test("the page is told of networks to begin with, and gets them", async () => {
  const settings = JSON.parse(`${(await get(server.origin, "/app.json")).body}`) as {
    version: string;
    networks: { name: string; path: string; bytes: number }[];
  };
  assert.equal(settings.version, "1.2.3");
  const [network] = settings.networks;
  assert.deepEqual([network!.name, network!.bytes], ["my birds.safetensors", 7]);
  const got = await get(server.origin, `/${network!.path}`);
  assert.equal(`${got.body}`, "weights");
  // The page keeps it by these.
  assert.match(`${got.headers.etag} ${got.headers["cache-control"]}`, /^"[\w-]{22}" .*immutable/);
  const head = await get(server.origin, `/${network!.path}`, {}, "HEAD");
  assert.deepEqual([head.headers["content-length"], head.body.length], ["7", 0]);
});

test("networks of several runs are told apart, by name and by what is in them", async () => {
  const runs = temporaryFolder();
  const files = ["first", "second"].map((run) => join(runs, run, "best.safetensors"));
  for (const [i, file] of files.entries()) {
    mkdirSync(dirname(file));
    writeFileSync(file, `weights ${i}`);
    utimesSync(file, 1, 1);
  }
  const { networks } = await readContent([...files, weights], "1.2.3", page);
  assert.deepEqual(
    [...networks.values()].map(({ name }) => name),
    ["first/best.safetensors", "second/best.safetensors", "my birds.safetensors"],
  );
});

test("what is not the page's is not served", async () => {
  for (const path of ["/../../package.json", "/%2e%2e/app.test.js", "/assets/", "/index.html.br", "/constructor"])
    assert.equal((await get(server.origin, path)).status, 404, path);
  assert.equal((await get(server.origin, "/", {}, "POST")).status, 405);
});

test("a port that is taken is said, with what to try", async () => {
  const { port } = new URL(server.origin);
  await assert.rejects(
    serveApp(content, { host: "127.0.0.1", port: Number(port) }),
    /^SenetError: 127\.0\.0\.1:\d+: the server cannot listen here[\s\S]*another program listens there[\s\S]*port 0/,
  );
});

test("a page that has not been built is said, with how it is", async () => {
  await assert.rejects(readPage(join(page, "nowhere")), /has not been built[\s\S]*npm run build:app/);
  await assert.rejects(readPage(temporaryFolder()), /npm run build:app/);
});

test("for other web servers it is written as plain files, also over an earlier one", async () => {
  const out = join(temporaryFolder(), "public", "senet");
  for (let i = 0; i < 2; i++) {
    const bytes = await writeApp(content, out);
    assert.ok(bytes > engine.length);
  }
  const written = readdirSync(out, { recursive: true, encoding: "utf8" }).sort();
  const network = [...content.networks.keys()][0]!;
  assert.ok(readFileSync(join(out, "assets", "engine-1a2b.wasm")).equals(engine));
  assert.equal(`${readFileSync(join(out, decodeURIComponent(network)))}`, "weights");
  assert.match(`${readFileSync(join(out, "app.json"))}`, /my%20birds\.safetensors/);
  assert.equal(written.filter((path) => /\.(br|partial)$/.test(path)).length, 0);
});
