/** The steps of deploy/Dockerfile, without Docker: in a folder each, as far as they do not want another system. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { temporaryFolder } from "./command.ts";
import { stagesOf } from "./deploy.ts";
import { root } from "./support.ts";

const folder = temporaryFolder();

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

function run(command: readonly string[], cwd: string): Promise<Ended> {
  const child = spawn(command[0]!, command.slice(1), { cwd, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, output })));
}

/** `COPY [--from=build] SOURCE... TARGET`, from the checkout or from the first stage. */
function copy(text: string, build: string, into: string): void {
  const words = text.split(" ");
  const isOfBuild = words[0] === "--from=build";
  const sources = words.slice(isOfBuild ? 1 : 0, -1);
  const target = words.at(-1)!;
  for (const source of sources) {
    const from = isOfBuild ? join(build, source.replace(/^\/senet/, "")) : join(root, source);
    const to = join(into, target, target.endsWith("/") ? source.split("/").at(-1)! : "");
    mkdirSync(dirname(to), { recursive: true });
    cpSync(from, to, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !path.includes("/tools/docs/node_modules"),
    });
  }
}

test("the image's steps lead to a server that answers and that its health check finds", {
  timeout: 600_000,
}, async (t) => {
  const stages = stagesOf(readFileSync(join(root, "deploy", "Dockerfile"), "utf8"));
  const [build, image] = ["build", "image"].map((name) => join(folder, name));
  for (const [i, steps] of stages.entries()) {
    const at = [build!, image!][i]!;
    mkdirSync(at);
    for (const { kind, text } of steps) {
      if (kind === "COPY") copy(text, build!, at);
      // Packages of the system: not this one's to change.
      if (kind !== "RUN" || text.startsWith("apt-get")) continue;
      const { code, output } = await run(["sh", "-c", text], at);
      if (code !== 0 && /npm ci/.test(text) && /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT/.test(output)) {
        t.skip("the registry cannot be reached");
        return;
      }
      assert.equal(code, 0, `${text}\n${output}`);
    }
  }
  assert.ok(!existsSync(join(image!, "node_modules", "typescript")), "what only builds stays out");
  const [, , ...rest] = stages;
  assert.deepEqual(rest, []);
  const last = stages[1]!;
  const entry = JSON.parse(last.find(({ kind }) => kind === "ENTRYPOINT")!.text) as string[];
  const health = JSON.parse(/CMD (.*)$/.exec(last.find(({ kind }) => kind === "HEALTHCHECK")!.text)![1]!) as string[];
  const port = "18431";
  const server = spawn(
    process.execPath,
    entry.slice(1).map((word) => (word === "8080" ? port : word)),
    { cwd: image! },
  );
  after(() => server.kill("SIGKILL"));
  const ended = new Promise((resolve) => server.on("close", resolve));
  await new Promise<void>((resolve, reject) => {
    server.stdout.once("data", () => resolve());
    void ended.then(() => reject(new Error("it ended")));
  });
  const check = () =>
    run(
      health.map((word) => word.replaceAll("8080", port)),
      image!,
    );
  assert.equal((await check()).code, 0);
  const answer = await fetch(`http://127.0.0.1:${port}/v1/models`);
  assert.deepEqual(
    ((await answer.json()) as { models: { name: string }[] }).models.map(({ name }) => name),
    ["imagenette"],
  );
  server.kill("SIGTERM");
  assert.equal(await ended, 0);
  assert.equal((await check()).code, 1);
});
