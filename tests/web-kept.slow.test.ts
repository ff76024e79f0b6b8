/** What `senet/web` keeps of weights from addresses, and what it reads of files, in Chromium. */

import assert from "node:assert/strict";
import { utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { needsWebRuntime } from "./chromium.ts";
import { temporaryFolder } from "./command.ts";
import { answer, openPage } from "./page.ts";
import { type Handler, serve, status, text } from "./server.ts";
import { base64, type Failing, inPage, own } from "./web-page.ts";

const large = "/weights/imagenette.safetensors";

test("what was fetched is kept: the second visit reads it, also without a network, and a full store is no fault", {
  ...needsWebRuntime,
}, async () => {
  const { page } = await openPage();
  const visit = () =>
    inPage<{ phases: readonly string[]; notices: readonly string[]; classes: number }>(
      page,
      `const [phases, notices] = [new Set(), []];
      const network = await senet.load("${large}", {
        engine: "reference", onProgress: ({ phase }) => phases.add(phase), onNotice: (notice) => notices.push(notice),
      });
      await network.dispose();
      return { phases: [...phases], notices, classes: network.labels.length };`,
    );
  const session = await page.context().newCDPSession(page);
  const quota = (quotaSize?: number) =>
    session.send("Storage.overrideQuotaForOrigin", {
      origin: new URL(page.url()).origin,
      ...(quotaSize && { quotaSize }),
    });
  await quota(100_000);
  const full = await visit();
  assert.equal(full.classes, 10);
  assert.deepEqual(full.notices, ["the weights are not kept for the next visit: the browser's store is full"]);
  await quota();
  assert.deepEqual((await visit()).phases, ["fetch", "open", "measure"]);
  const second = await visit();
  assert.deepEqual(second, { phases: ["read", "open", "measure"], notices: [], classes: 10 });
  // Another version there is fetched.
  await page.route(`**${large}`, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, headers: { ...response.headers(), etag: '"another"' } });
  });
  assert.deepEqual((await visit()).phases, ["fetch", "open", "measure"]);
  await page.unroute(`**${large}`);
  // Of an address whose query changes with each version the last three are kept.
  const body = Buffer.from(own);
  await page.route("**/small.safetensors*", (route) => route.fulfill({ body, headers: { etag: '"one"' } }));
  const kept = await inPage<readonly (readonly string[])[]>(
    page,
    `const phasesOf = async (address) => {
      const phases = new Set();
      const network = await senet.load(address, { engine: "reference", onProgress: ({ phase }) => phases.add(phase) });
      await network.dispose();
      return [...phases];
    };
    for (const v of [1, 2, 3, 4]) await phasesOf("/small.safetensors?v=" + v);
    // One after the other: what is kept of the second may take the first one's place.
    return [await phasesOf("/small.safetensors?v=2"), await phasesOf("/small.safetensors?v=1")];`,
  );
  assert.deepEqual(
    kept.map(([first]) => first),
    ["read", "fetch"],
  );
  await page.route(`**${large}`, (route) => route.abort());
  const alone = await visit();
  assert.deepEqual(alone.phases, ["read", "open", "measure"]);
  assert.match(alone.notices.join(), /cannot be reached/);
});

/** Loads from an address; `copies` counts what is kept of all. */
const visiting = `const copies = async () => {
      let count = 0;
      const walk = async (folder) => {
        for await (const one of folder.values()) {
          if (one.kind === "directory") await walk(one);
          else count++;
        }
      };
      await walk(await navigator.storage.getDirectory());
      return count;
    };
    const visit = async (address, options) => {
      const [phases, notices, progress] = [new Set(), [], []];
      const network = await senet.load(address, {
        engine: "reference", onNotice: (notice) => notices.push(notice),
        onProgress: ({ phase, loaded, total }) => { phases.add(phase); progress.push([loaded, total]); }, ...options,
      });
      await network.dispose();
      return { phases: [...phases], notices, progress };
    };`;

interface Visit {
  readonly phases: readonly string[];
  readonly notices: readonly string[];
  readonly progress: readonly (readonly [loaded: number, total: number | undefined])[];
}

const weights =
  (headers: Readonly<Record<string, string>> = {}, body: Uint8Array = own): Handler =>
  (_, response) => {
    response.writeHead(200, { "content-length": body.length, ...headers }).end(body);
  };

test(
  "only weights are kept, and only where a later visit can tell that they are still the same",
  needsWebRuntime,
  async () => {
    let serving: Handler = status(500);
    const { origin } = await serve((request, response) => {
      if (request.url?.startsWith("/served")) serving(request, response);
      else answer(request, response, false);
    });
    const { page } = await openPage();
    await page.goto(origin);
    const visit = (given: string) =>
      inPage<Visit & { copies: number; failure?: Failing }>(
        page,
        `${visiting}
      let found;
      const failure = await failureOf((async () => { found = await visit(${given}); })());
      return { ...found, failure, copies: await copies() };`,
      );
    const address = `"/served.safetensors"`;
    // A page that is sent instead, with status 200, as development servers and portals of networks do it.
    serving = text("<!doctype html><title>Sign in</title>", "text/html");
    const portal = await visit(address);
    assert.match(portal.failure!.message, /web page, not weights.*"Sign in"/s);
    assert.equal(portal.copies, 0);
    serving = weights({ etag: '"1"' });
    assert.equal((await visit(address)).copies, 1);
    // It does not take the place of what is kept.
    serving = (request, response) => {
      response.setHeader("etag", '"portal"');
      text("<!doctype html><title>Sign in</title>", "text/html")(request, response);
    };
    assert.equal((await visit(address)).copies, 1);
    serving = weights({ etag: '"1"' });
    assert.deepEqual((await visit(address)).phases, ["read", "open", "measure"]);
    // Networks that were trained further have the size that they had.
    for (const headers of [{}, { etag: '"2"', "cache-control": "private, no-store" }]) {
      serving = weights(headers);
      const other = `"/served-otherwise.safetensors"`;
      for (let i = 0; i < 2; i++) {
        const found = await visit(other);
        assert.deepEqual([found.phases[0], found.copies], ["fetch", 1], JSON.stringify(headers));
      }
    }
    // What is in the page already needs no copy.
    for (const made of ["URL.createObjectURL(weights)", `"data:application/octet-stream;base64,${base64(own)}"`]) {
      assert.deepEqual([(await visit(made)).failure, (await visit(made)).copies], [undefined, 1]);
    }
  },
);

test(
  "where another origin compresses without saying so, progress is never more than the whole",
  needsWebRuntime,
  async () => {
    // Much smaller on its way, and longer than what browsers read at once.
    const body = gzipSync(own);
    const { origin } = await serve(
      weights({ "content-encoding": "gzip", "access-control-allow-origin": "*", etag: '"1"' }, body),
    );
    const { page } = await openPage();
    const { progress } = await inPage<Visit>(page, `${visiting} return visit("${origin}/own.safetensors");`);
    assert.equal(progress.at(-3)![0], own.length);
    for (const [loaded, total] of progress) assert.ok(total === undefined || loaded <= total, `${loaded} of ${total}`);
  },
);

test(
  "several tabs at once keep the same weights, and one that tidies up is in nobody's way",
  needsWebRuntime,
  async () => {
    const { page, again } = await openPage();
    const other = (await again()).page;
    const rounds = `${visiting}
    const found = [];
    for (let i = 0; i < 4; i++) found.push(...await Promise.all([1, 2].map((v) => visit("${large}?v=" + (i % 2) + v))));
    return found;`;
    const all = await Promise.all([page, other].map((one) => inPage<readonly Visit[]>(one, rounds)));
    assert.deepEqual(
      all.flat().flatMap(({ notices }) => notices),
      [],
    );
    // Each copy is gone as soon as it is looked at.
    const gone = await inPage<Visit>(
      page,
      `${visiting}
    const code = \`FileSystemFileHandle.prototype.getFile = async () => { throw new DOMException("gone", "NotFoundError"); };
      import(\${JSON.stringify(location.origin + "/dist/src/web/worker.web.js")});\`;
    const worker = () => new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })), { type: "module" });
    return visit("${large}", { worker });`,
    );
    assert.deepEqual(gone.phases, ["fetch", "open", "measure"]);
  },
);

test(
  "a file that has changed since it was chosen is said to, and one of many pictures is left out",
  needsWebRuntime,
  async () => {
    const folder = temporaryFolder();
    const files = {
      weights: join(folder, "own.safetensors"),
      picture: join(folder, "cat.ppm"),
      run: join(folder, "last.safetensors"),
    };
    // A PNM of 8 × 8 pixels.
    const ppm = Buffer.concat([Buffer.from("P6 8 8 255\n"), Buffer.alloc(192, 99)]);
    const write = () => {
      for (const file of [files.weights, files.run]) writeFileSync(file, own);
      writeFileSync(files.picture, ppm);
    };
    write();
    const { page } = await openPage();
    await page.evaluate(
      "document.body.append(Object.assign(document.createElement('input'), { type: 'file', multiple: true })), undefined",
    );
    await page.locator("input").setInputFiles(Object.values(files));
    // The browser may look at the files only now.
    const sizes = 'Array.from(document.querySelector("input").files, ({ size, lastModified }) => [size, lastModified])';
    assert.equal(((await page.evaluate(sizes)) as readonly unknown[]).length, 3);
    for (const file of Object.values(files)) {
      writeFileSync(file, "changed");
      utimesSync(file, 1, 1);
    }
    const found = await inPage<Readonly<Record<string, Failing>> & { left: readonly string[] }>(
      page,
      `const files = Object.fromEntries([...document.querySelector("input").files].map((file) => [file.name, file]));
    const network = await senet.load(weights, { engine: "reference" });
    const same = (n) => Array.from({ length: n }, (_, i) => ({ name: i + ".png", picture }));
    const pictures = { train: { one: [files["cat.ppm"], ...same(3)], two: same(4) }, val: { one: same(1), two: same(1) } };
    const found = {
      load: await failureOf(senet.load(files["own.safetensors"], { engine: "reference" })),
      classify: await failureOf(network.classify(files["cat.ppm"])),
      resume: await failureOf(senet.train(pictures, { engine: "reference", resume: files["last.safetensors"] })),
    };
    const training = network.fineTune(pictures, { freeze: "backbone", epochs: 1 });
    const left = [];
    for await (const event of training) if (event.kind === "failure") left.push(event.file);
    await (await training).network.dispose();
    await network.dispose();
    return { ...found, left };`,
    );
    assert.deepEqual([found.load!.ours, found.load!.code], [true, "io"]);
    assert.match(found.load!.message, /^own\.safetensors: the file cannot be read.*choose it again/s);
    assert.deepEqual([found.classify!.ours, found.classify!.code], [true, "data"]);
    assert.match(found.classify!.message, /^cat\.ppm: the picture cannot be read/);
    assert.match(found.resume!.message, /^last\.safetensors: the file cannot be read/);
    assert.deepEqual(found.left, ["one/cat.ppm"]);
  },
);

test("what did not load once is asked for again", needsWebRuntime, async () => {
  const { page } = await openPage();
  await page.route("**/explainer.js", (route) => route.abort());
  await inPage(
    page,
    `globalThis.network = await senet.load(weights, { engine: "reference" });
    globalThis.explained = () => network.explain(picture).then(() => "explained", ({ message }) => message);`,
  );
  assert.match((await page.evaluate("explained()")) as string, /a part of senet does not load.*load the page again/s);
  await page.unroute("**/explainer.js");
  assert.equal(await page.evaluate("explained()"), "explained");
});
