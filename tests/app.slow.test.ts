/**
 * The page of `senet app` in Chromium, as people use it: pictures by files, by folders and from the webcam, training,
 * explanations, downloads that Node reads, a second visit, no network at all, keyboard and screen reader.
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { basename, extname, join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import type { Page } from "playwright-core";
import { load } from "../src/api/network.node.ts";
import { writeDemoPictures } from "../src/demo/write.node.ts";
import { decodeCheckpoint } from "../src/weights/decode-checkpoint.ts";
import { openWeights } from "../src/weights/open.node.ts";
import { launcher, senet, temporaryFolder } from "./command.ts";
import { needsBrowser, openBrowser } from "./page.ts";
import { serve } from "./server.ts";
import { root } from "./support.ts";

const isBuilt = existsSync(join(root, "dist", "app", "index.html.br"));
const skip = needsBrowser.skip !== false ? needsBrowser.skip : isBuilt ? false : "not built: npm run build:app";
const packaged = join(root, "weights", "imagenette.safetensors");
const axeFile = join(root, "web", "node_modules", "axe-core", "axe.min.js");

/** Of what the engine and the page may take on their way, in bytes. */
const mostBytes = 4.2e6;

/** As any web server knows them. */
const types: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
  ".json": "application/json",
};

interface Served {
  readonly origin: string;
  /** On the wire since the last time that it was asked. */
  bytes(): number;
  /** As if the machine had no network; what was under way is cut. */
  cut(): void;
  /** Ctrl-C; gives the exit code. */
  end(): Promise<number | null>;
}

/** The command as a process, behind a counter of what it sends. */
async function served(): Promise<Served> {
  const child = spawn(process.execPath, [launcher, "app", "--port", "0"], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  after(() => child.kill("SIGKILL"));
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const { port } = new URL(/http:\S+/.exec(`${line}`)![0]);
  let sent = 0;
  const counter = createServer((client) => {
    const server = connect(Number(port), "127.0.0.1");
    server.on("data", ({ length }: Buffer) => {
      sent += length;
    });
    client.pipe(server).pipe(client);
    for (const socket of [client, server])
      socket.on("error", () => client.destroy(server.destroy().errored ?? undefined));
    open.add(client);
  });
  const open = new Set<{ destroy(): void }>();
  await new Promise<void>((resolve) => counter.listen(0, "127.0.0.1", resolve));
  const cut = () => {
    counter.close();
    for (const socket of open) socket.destroy();
  };
  after(cut);
  return {
    origin: `http://127.0.0.1:${(counter.address() as AddressInfo).port}`,
    bytes: () => {
      const since = sent;
      sent = 0;
      return since;
    },
    cut,
    end: async () => {
      child.kill("SIGINT");
      const [code] = (await ended) as [number | null];
      return code;
    },
  };
}

interface Violation {
  readonly id: string;
  readonly impact: string;
  readonly nodes: readonly { readonly html: string }[];
}

/** As much of a page's element as is asked. */
interface Focusable {
  readonly ariaLabel: string | null;
  readonly outerHTML: string;
  checkVisibility(): boolean;
  getBoundingClientRect(): { readonly width: number; readonly height: number };
}

/** What axe finds that keeps people out. */
async function barriers(page: Page): Promise<readonly string[]> {
  await page.evaluate(`${readFileSync(axeFile, "utf8")}; undefined`);
  const { violations } = (await page.evaluate("axe.run()")) as { violations: readonly Violation[] };
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`);
}

/** No part of the page is wider than the screen. */
const overflow = (page: Page) => page.evaluate("document.documentElement.scrollWidth - innerWidth") as Promise<number>;

if (skip !== false) test("the page of senet app", { skip }, () => {});
else {
  const folder = temporaryFolder();
  const drawn = await writeDemoPictures(join(folder, "drawn"), {
    trainPerClass: 14,
    valPerClass: 2,
    heldBackPerClass: 2,
  });
  const pictures = join(drawn.folder, "train");
  const { heldBack } = drawn;
  const server = await served();
  const context = await openBrowser({ hasWebcam: true });
  const faults: string[] = [];
  const hosts = new Set<string>();

  const open = async () => {
    const opened = await context.newPage();
    opened.on("pageerror", (error) => faults.push(String(error)));
    opened.on("console", (message) => message.type() === "error" && faults.push(message.text()));
    opened.on("request", (request) => {
      if (/^https?:/.test(request.url())) hosts.add(new URL(request.url()).host);
    });
    // It warns before pictures are lost.
    opened.on("dialog", (dialog) => void dialog.accept());
    // A browser among other tests waits for its turn.
    opened.setDefaultTimeout(120_000);
    await opened.setViewportSize({ width: 1280, height: 900 });
    await opened.goto(server.origin);
    return opened;
  };
  const card = (i: number) => page.locator(".class-card").nth(i);
  const button = (name: string | RegExp) => page.getByRole("button", { name });
  /** As if it were dropped on what `target` finds. */
  const drop = (target: string, name: string, bytes: Uint8Array) =>
    page.evaluate(`(() => {
      const bytes = Uint8Array.from(atob(${JSON.stringify(Buffer.from(bytes).toString("base64"))}), (c) => c.charCodeAt(0));
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([bytes], ${JSON.stringify(name)}));
      document.querySelector(${JSON.stringify(target)}).dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
    })()`);
  /** What has the keyboard's focus, in its own words. */
  const focused = () =>
    page.evaluate(
      "(document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent) || document.activeElement.tagName",
    );
  const noFault = async () => assert.deepEqual(await page.locator(".notice.fault").allInnerTexts(), []);
  /** Nothing is under way. */
  const idle = () => page.locator(".status.shown").waitFor({ state: "detached", timeout: 60_000 });
  const download = async (name: RegExp) => {
    const [saved] = await Promise.all([page.waitForEvent("download"), button(name).click()]);
    const file = join(folder, saved.suggestedFilename());
    await saved.saveAs(file);
    return file;
  };

  let page = await open();

  test("it is isolated, so that its engine may have threads", async () => {
    await page.waitForSelector("h1");
    assert.equal(await page.evaluate("crossOriginIsolated"), true);
    assert.deepEqual(await barriers(page), []);
  });

  test("pictures come by a folder of classes, by files, and from the webcam while its button is held", async () => {
    await page.locator("input[webkitdirectory]").setInputFiles(pictures);
    const classes = readdirSync(pictures).sort();
    await page.waitForFunction(`document.querySelectorAll(".class-card").length === ${classes.length}`);
    const names = await page
      .getByLabel("Name of the class")
      .evaluateAll((all) => all.map((one) => (one as unknown as { value: string }).value));
    assert.deepEqual(names, classes);
    // Two of them are enough, and the webcam's.
    while ((await page.locator(".class-card").count()) > 2)
      await button(/^Remove .* and its pictures$/)
        .last()
        .click();
    await card(0)
      .locator("input[type=file]")
      .setInputFiles([...heldBack.slice(0, 1)]);
    await card(0)
      .getByText(/^15 pictures/)
      .waitFor();
    // What cannot be looked at does not count, and the class says so at once: no pictures, a TIFF, one that is cut off.
    const cut = readFileSync(heldBack[0]!).subarray(0, 1500);
    const broken = [
      { name: "notes.jpg", mimeType: "image/jpeg", buffer: Buffer.from("none") },
      { name: "scan.tif", mimeType: "image/tiff", buffer: Buffer.from("II*\0\x08\0\0\0\0\0") },
      { name: "cut.jpg", mimeType: "image/jpeg", buffer: cut },
    ];
    await card(1).locator("input[type=file]").setInputFiles(broken);
    await card(1).getByText("3 left out").waitFor();
    const reasons = await card(1).locator(".left-out li").allInnerTexts();
    assert.equal(reasons.length, 3);
    assert.match(
      reasons.join("\n"),
      /cut\.jpg: .*JPEG picture is truncated[\s\S]*notes\.jpg: none of the kinds[\s\S]*scan\.tif: a TIFF/,
    );
    await card(1)
      .getByText(/^14 pictures, of which [1-5] kept back$/)
      .waitFor();
    assert.equal((await card(1).locator(".thumbs .held").count()) > 0, true);
    // A class of nothing else needs pictures.
    await button("Add a class").click();
    await card(2).locator("input[type=file]").setInputFiles(broken);
    await card(2).getByText("3 left out").waitFor();
    await page.getByText("Class 3 needs two pictures at least").waitFor();
    await button(/^Remove Class 3 and/).click();
    await button("Add a class").click();
    await card(2).getByLabel("Name of the class").fill("web/cam");
    await page.getByText("web/cam: a class is called like a folder, without a slash.").waitFor();
    await card(2).getByLabel("Name of the class").fill("webcam");
    await card(2)
      .getByRole("button", { name: /^Webcam/ })
      .click();
    const record = card(2).getByRole("button", { name: /Hold to record/ });
    await record.waitFor();
    await record.focus();
    await page.keyboard.down("Space");
    await card(2)
      .getByText(/^1[4-9] pictures, of which/)
      .waitFor();
    await page.keyboard.up("Space");
    await card(2)
      .getByRole("button", { name: /^Close the webcam/ })
      .click();
    await noFault();
    assert.deepEqual(await barriers(page), []);
  });

  test("folders that are dropped fill the classes that they are called after; what is hidden is passed over", async () => {
    const set = join(folder, "dropped");
    const [one, other] = readdirSync(pictures).sort();
    const put = (from: string, ...to: string[]) => {
      mkdirSync(join(set, ...to), { recursive: true });
      for (const file of readdirSync(join(pictures, from)).slice(0, 3))
        copyFileSync(join(pictures, from, file), join(set, ...to, file));
    };
    put(one!, "pets", one!, "old", "2019");
    put(one!, "pets", one!, "new");
    put(other!, "pets", other!);
    put(one!, "pets", ".git", "objects");
    put(one!, "__MACOSX", "pets");
    for (const name of [".DS_Store", "._001.jpg", "Thumbs.db", "notes.txt"]) writeFileSync(join(set, "pets", name), "");
    mkdirSync(join(set, "nothing"));
    const dropped = await open();
    const session = await dropped.context().newCDPSession(dropped);
    // As the system does it: scripts can make files, but no folders.
    const dropOn = async (names: readonly string[], target: string) => {
      const box = (await dropped.locator(target).first().boundingBox())!;
      const data = { items: [], files: names.map((name) => join(set, name)), dragOperationsMask: 1 };
      for (const type of ["dragEnter", "dragOver", "drop"] as const)
        await session.send("Input.dispatchDragEvent", { type, x: box.x + box.width / 2, y: box.y + 20, data });
    };
    const counts = () => dropped.locator(".class-card p.note").allInnerTexts();
    await dropOn(["nothing"], "h1");
    await dropped.getByText("There is nothing here that this page can use").waitFor();
    await dropOn(["pets", "__MACOSX"], "h1");
    await dropped.getByText("Left out: notes.txt (neither a picture nor weights)").waitFor();
    await dropped
      .locator(".class-card")
      .nth(1)
      .getByText(/^3 pictures/)
      .waitFor();
    assert.deepEqual(
      await dropped
        .getByLabel("Name of the class")
        .evaluateAll((all) => all.map((each) => (each as unknown as { value: string }).value)),
      [one, other],
    );
    assert.match((await counts())[0]!, /^6 pictures/, "two folders of one class, whose files have the same names");
    await dropOn([`pets/${other!}`], ".class-card");
    await dropped
      .locator(".class-card")
      .first()
      .getByText(/^9 pictures/)
      .waitFor();
    await dropped.close();
  });

  test("the keyboard keeps its place when what it was at is gone, and every target is large enough", async () => {
    const remove = card(0).getByRole("button", { name: /^Remove .*jpg$/ });
    const names = await remove.evaluateAll((all) => all.map((one) => (one as unknown as Focusable).ariaLabel));
    await remove.nth(1).focus();
    await page.keyboard.press("Enter");
    assert.equal(await focused(), names[2]);
    await button("Add a class").click();
    await button(/^Remove Class 4 and/).focus();
    await page.keyboard.press("Enter");
    await page.waitForFunction(`document.querySelectorAll(".class-card").length === 3`);
    assert.match(`${await focused()}`, /^Remove webcam and its pictures$/);
    await drop("main", "table.csv", Buffer.from("1,2"));
    await button("Dismiss: Left out: table.csv (neither a picture nor weights)").focus();
    await page.keyboard.press("Space");
    assert.equal(await focused(), "Teach a network to tell pictures apart");
    const small = await page
      .locator("button, a, select, summary, label.button, label.choice, input:not(.hidden)")
      .evaluateAll((all) =>
        (all as unknown as Focusable[])
          .filter((one) => one.checkVisibility())
          .map((one) => ({ box: one.getBoundingClientRect(), text: one.outerHTML.slice(0, 100) }))
          .filter(({ box }) => box.width < 24 || box.height < 24)
          .map(({ box, text }) => `${box.width} x ${box.height}: ${text}`),
      );
    assert.deepEqual(small, []);
  });

  test("a small network learns from nothing, with curves, and is measured on what was kept back", async () => {
    await page.getByRole("radio", { name: /from nothing/ }).check();
    await page.getByRole("spinbutton", { name: /Epochs/ }).fill("12");
    await button("Train").focus();
    await page.keyboard.press("Enter");
    await page.locator(".uplot canvas").first().waitFor({ timeout: 60_000 });
    assert.equal(await focused(), "Stop");
    // What comes meanwhile is for the next time.
    const learnt = Number.parseInt(await card(0).locator("p.note").first().innerText(), 10);
    await drop(".class-card", "late.jpg", readFileSync(heldBack[0]!));
    await card(0)
      .getByText(`${learnt + 1} pictures`)
      .waitFor();
    await page.keyboard.press("Enter");
    await button(/^Go on$/).click();
    await button(/^Go on for 12 epochs$/).waitFor({ timeout: 200_000 });
    await idle();
    await noFault();
    assert.match(await page.locator(".course").innerText(), /12 of 12/);
    const share = Number.parseFloat(
      await page.locator("section[aria-labelledby=results] .tiles dd").first().innerText(),
    );
    assert.ok(share > 60, `${share} % right`);
    assert.equal(await page.locator(".confusion tbody tr").count(), 3);
  });

  test("results that are older than the pictures say so, and are measured again; so does what a training that failed leaves", async () => {
    const stale = page.locator(".stale");
    const counted = () => page.locator("section[aria-labelledby=results] .tiles dd").nth(1).innerText();
    const before = await counted();
    assert.equal(await stale.innerText(), "");
    await card(1).locator("input[type=file]").setInputFiles(heldBack[1]!);
    await stale.getByText("have changed since").waitFor();
    await button("Measure again").click();
    await stale.getByText("have changed since").waitFor({ state: "detached" });
    assert.notEqual(await counted(), before, "what has come in since is measured too: nothing was learnt from it");
    await button(`Remove ${basename(heldBack[1]!)}`).click();
    await stale.getByText("have changed since").waitFor();
    await page.getByText("This page is kept in your browser").waitFor();
    const eachNetworkKept = (then: string) =>
      page.evaluate(`(async () => {
        for (const name of await caches.keys()) {
          const cache = await caches.open(name);
          for (const { url } of await cache.keys()) if (url.includes("/networks/")) await cache.${then};
        }
      })()`);
    await eachNetworkKept("put(url, new Response('', { status: 404 }))");
    await page.getByRole("radio", { name: /Only the last layer/ }).check();
    await page.getByLabel("Of which network").selectOption("0");
    await button("Train").click();
    await stale.getByText("The last training has failed: this is of the network before it (trained here)").waitFor();
    assert.match(await page.locator(".notice.fault").innerText(), /cannot be fetched/);
    assert.doesNotMatch(await page.locator(".notice.fault").innerText(), /`|senet |npm/);
    await eachNetworkKept("delete(url)");
    await button(/^Dismiss: .*cannot be fetched/).click();
  });

  test("it says what is in a picture and why: a map over it, and the gates of its blocks", async () => {
    await page.locator("section[aria-labelledby=ask] input[type=file]").setInputFiles(heldBack[1]!);
    await page.locator(".answer").waitFor();
    const target = await page.getByLabel("Why, or why not").inputValue();
    assert.equal(await page.locator(".answer .multiples svg").count(), 9);
    const seen = (i: number) =>
      page
        .locator(".seen canvas")
        .nth(i)
        .evaluate((canvas) => (canvas as unknown as { toDataURL(): string }).toDataURL());
    const map = await seen(1);
    assert.notEqual(await seen(0), map);
    await page.getByLabel("Why, or why not").selectOption("webcam");
    await page.getByText("what speaks for webcam").waitFor();
    assert.notEqual(target, "webcam");
    assert.notEqual(await seen(1), map, "another class, another map");
    await button("Ask the webcam").click();
    await page.locator(".camera .bars li").first().waitFor();
    assert.equal(await page.locator(".camera .bars li span").first().innerText(), "webcam");
    await button("Close the webcam").click();
    await noFault();
    // One that is taken away meanwhile closes itself.
    await button("Ask the webcam").click();
    await page.locator(".camera .bars li").first().waitFor();
    await page.evaluate(
      "document.querySelector('.camera video').srcObject.getTracks()[0].dispatchEvent(new Event('ended'))",
    );
    await page.getByText("the webcam cannot be used: it was taken away").waitFor();
    await button("Ask the webcam").waitFor();
    await button(/^Dismiss: the webcam/).click();
    assert.deepEqual(await barriers(page), []);
  });

  test("what is downloaded opens in Node, with the same answers", async () => {
    const rows = await page.locator(".answer .bars li").allInnerTexts();
    const shown = new Map(rows.map((row) => row.split("\n") as [string, string]));
    for (const file of [await download(/^Weights/), await download(/ONNX/)]) {
      await using network = await load(file, { executor: "reference" });
      assert.equal(network.labels.includes("webcam"), true, file);
      for (const { label, probability } of await network.classify(heldBack[1]!))
        assert.ok(
          Math.abs(100 * probability - Number.parseFloat(shown.get(label)!)) < 0.2,
          `${file}: ${label} ${probability}`,
        );
    }
    const run = await download(/The run/);
    assert.equal((await openWeights(run)).model.name, "se-resnet-20");
    const report = readFileSync(await download(/Report/), "utf8");
    assert.match(report, /training report/);
    assert.match(report, /Gates by class/);
  });

  test("the run goes on in Node, on the pictures that were saved", async () => {
    const archive = await download(/Save the pictures/);
    const out = join(folder, "runs", "tab");
    mkdirSync(out, { recursive: true });
    copyFileSync(join(folder, "last.safetensors"), join(out, "last.safetensors"));
    const args = ["train", "--resume", "--data", archive, "--out", out, "--epochs", "13", "--executor", "reference"];
    const { code, stderr } = await senet(args);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /epoch 13/);
    assert.doesNotMatch(stderr, /epoch 12\/|other pictures/);
  });

  test("a run of Node's goes on here: its folder, or its last.safetensors alone", async () => {
    const out = join(folder, "runs", "node");
    const network = [
      "--model",
      "se-resnet-8",
      "--image-size",
      "16",
      "--executor",
      "reference",
      "--workers",
      "1",
      "--batch-size",
      "8",
    ];
    const data = ["--data", join(folder, "pictures.tar"), "--val-split", "0.3", "--seed", "3"];
    const { code, stderr } = await senet(["train", ...data, ...network, "--epochs", "1", "--out", out]);
    assert.equal(code, 0, stderr);
    await page.getByRole("spinbutton", { name: /Epochs/ }).fill("1");
    await page.locator("input[webkitdirectory]").setInputFiles(out);
    await page.getByText("Open: se-resnet-8 (best.safetensors)").waitFor();
    assert.equal(await page.locator(".course .uplot").count(), 2, "its curves");
    await button("Measure it on these pictures").click();
    // As many as the run has kept back, which is another part than the page's own.
    await page.getByText("of pictures that it has not learnt from").waitFor();
    const [, kept] = /, (\d+) to validate/.exec(stderr)!;
    const [, asked] = / of (\d+) pictures/.exec(
      await page.locator("section[aria-labelledby=results] .tiles").innerText(),
    )!;
    assert.equal(asked, kept);
    await button("Go on for 1 epoch").click();
    await page.locator(".course").getByText("2 of 2").waitFor({ timeout: 100_000 });
    await idle();
    const last = join(folder, "runs", "tab", "last.safetensors");
    await drop("main", "last.safetensors", readFileSync(last));
    await page.getByText("Open: se-resnet-20 (last.safetensors)").waitFor();
    // A run has its classes.
    await button("Add a class").click();
    await page.getByText("Train begins a new one").waitFor();
    await button(/^Remove Class 4 and/).click();
    await button("Go on for 1 epoch").click();
    await page.locator(".course").getByText("14 of 14").waitFor({ timeout: 100_000 });
    await idle();
    await noFault();
  });

  test("before a last stage learns, the head does, at rates that are the library's", async () => {
    await page.getByRole("radio", { name: /The last stage/ }).check();
    await page.getByLabel("Of which network").selectOption("current");
    await page.getByRole("spinbutton", { name: /Epochs/ }).fill("1");
    await button("Train").click();
    await page.locator(".course").getByText("of 20").waitFor({ timeout: 100_000 });
    await page.locator(".course").getByText("1 of 1", { exact: true }).waitFor({ timeout: 100_000 });
    await idle();
    await noFault();
    const { run } = decodeCheckpoint(readFileSync(await download(/The run/)), "last.safetensors");
    const { config } = run as { config: Readonly<Record<string, unknown>> };
    const { freeze, learningRate, layerDecay, epochs, imageSize } = config;
    assert.deepEqual([freeze, learningRate, layerDecay, epochs, imageSize], ["stage2", 0.03, 0.3, 1, 32]);
  });

  test("nothing keeps people out: light, dark, in colours of their own, on a phone", async () => {
    // Where the system replaces all colours, those that tell curves apart stay.
    await page.emulateMedia({ forcedColors: "active" });
    const colours = (await page.evaluate(
      `[...document.querySelector(".course .legend").querySelectorAll("i")].map((mark) => getComputedStyle(mark).backgroundColor)`,
    )) as readonly string[];
    assert.equal(new Set(colours).size, 2, `${colours}`);
    await page.emulateMedia({ forcedColors: "none" });
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      for (const width of [1280, 360]) {
        await page.setViewportSize({ width, height: 800 });
        assert.deepEqual(await barriers(page), [], `${colorScheme}, ${width} pixels`);
      }
    }
    for (const width of [320, 360, 390, 430, 600, 800, 1024, 1280]) {
      await page.setViewportSize({ width, height: 800 });
      // Curves are drawn anew only once the layout has changed. (The page forbids what `waitForFunction` does.)
      for (let i = 0; i < 100 && (await overflow(page)) > 0; i++) await page.waitForTimeout(100);
      assert.ok((await overflow(page)) <= 0, `${width} pixels are not enough`);
    }
  });

  test("page and engine are small, and the second visit loads nothing", async (t) => {
    await page.evaluate("navigator.serviceWorker.ready.then(() => undefined)");
    // The network to begin with comes behind the page, to be there without a network too.
    await page.getByText("This page is kept in your browser").waitFor();
    const first = server.bytes() - statSync(packaged).size;
    assert.ok(first > 2e6 && first < mostBytes, `${first} bytes`);
    await page.close();
    page = await open();
    await page.getByText("This page is kept in your browser").waitFor();
    const second = server.bytes();
    t.diagnostic(`the first visit took ${first} bytes, the second ${second}`);
    // That neither the page nor the list of networks has changed: answers without content.
    assert.ok(second < 5000, `${second} bytes`);
  });

  test("as files it works below another page, on a server that says nothing of isolation", async () => {
    const site = join(folder, "site");
    const { code, stderr } = await senet(["app", "--out", join(site, "tools", "senet")]);
    assert.equal(code, 0, stderr);
    const { origin, requests } = await serve(({ url = "/" }, response) => {
      const path = join(site, decodeURIComponent(url).replace(/\/$/, "/index.html"));
      const type = types[extname(path)] ?? "application/octet-stream";
      if (existsSync(path)) response.writeHead(200, { "content-type": type }).end(readFileSync(path));
      else response.writeHead(404).end();
    });
    const other = await context.newPage();
    // By a double click, where browsers run none of it.
    await other.goto(pathToFileURL(join(site, "tools", "senet", "index.html")).href);
    await other.getByText("this page was opened as a file").waitFor();
    other.on("pageerror", (error) => faults.push(String(error)));
    await other.goto(`${origin}/tools/senet/`);
    await other.evaluate("navigator.serviceWorker.ready.then(() => undefined)");
    await other.reload();
    assert.equal(await other.evaluate("crossOriginIsolated"), true);
    await other.getByRole("button", { name: /^Open imagenette/ }).click();
    await other.locator("section[aria-labelledby=ask] input[type=file]").setInputFiles(heldBack[1]!);
    await other.locator(".answer").waitFor();
    assert.deepEqual(
      requests.map(({ url }) => url).filter((url) => !url?.startsWith("/tools/senet/") && url !== "/favicon.ico"),
      [],
    );
    // Of networks it keeps those that are offered.
    const kept = `(async () => {
      const found = [];
      for (const name of await caches.keys())
        for (const { url } of await (await caches.open(name)).keys()) if (url.includes("/networks/")) found.push(url.replace(/.*\\//, ""));
      return found.join();
    })()`;
    await other.waitForFunction(`${kept}.then((found) => found === "imagenette.safetensors")`);
    const mine = await senet([
      "app",
      "--out",
      join(site, "tools", "senet"),
      "--weights",
      join(folder, "se-resnet-20.safetensors"),
    ]);
    assert.equal(mine.code, 0, mine.stderr);
    await other.reload();
    await other.waitForFunction(`${kept}.then((found) => found === "se-resnet-20.safetensors")`);
    await other.close();
  });

  test("without a network the page opens, and a network of Node's that is dropped on it answers", async () => {
    server.cut();
    await context.setOffline(true);
    await page.reload();
    await page.waitForSelector("h1");
    const file = join(
      folder,
      readdirSync(folder).find((name) => name.endsWith(".safetensors") && !name.startsWith("last"))!,
    );
    await drop("body", "mine.safetensors", readFileSync(file));
    await button("Choose a picture").or(page.locator("section[aria-labelledby=ask] .button")).first().waitFor();
    await page.locator("section[aria-labelledby=ask] input[type=file]").setInputFiles(heldBack[1]!);
    await page.locator(".answer").waitFor();
    await noFault();
  });

  test("without a network it learns", async () => {
    for (const [i, name] of readdirSync(pictures).sort().slice(0, 2).entries()) {
      const files = readdirSync(join(pictures, name)).map((file) => join(pictures, name, file));
      await card(i).getByLabel("Name of the class").fill(name);
      await card(i).locator("input[type=file]").setInputFiles(files);
    }
    for (const kind of [/from nothing/, /Only the last layer/]) {
      await page.getByRole("radio", { name: kind }).check();
      if (await page.getByLabel("Of which network").isVisible())
        await page.getByLabel("Of which network").selectOption("0");
      await page.getByRole("spinbutton", { name: /Epochs/ }).fill("1");
      await button("Train").click();
      if (kind.test("Only the last layer")) await page.getByText("Training: looking at the pictures first").waitFor();
      await button(/^Go on for 1 epochs?$/).waitFor({ timeout: 100_000 });
      await idle();
      await noFault();
    }
    assert.match(await page.locator("#missing").innerText(), /^Open: se-resnet-10-d/);
  });

  test("no other host was asked, and nothing was refused or thrown", () => {
    assert.deepEqual([...hosts], [new URL(server.origin).host]);
    // Chromium tells of files that it cannot have without a network, and of the one that was refused it.
    assert.deepEqual(
      faults.filter((fault) => !/ERR_INTERNET_DISCONNECTED|ERR_CONNECTION_REFUSED|ERR_FAILED/.test(fault)),
      [],
    );
  });

  test("Ctrl-C ends the server", async () => {
    assert.equal(await server.end(), 0);
  });
}
