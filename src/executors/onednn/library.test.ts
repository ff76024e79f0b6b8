import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../../tests/command.ts";
import { SenetError } from "../../errors.ts";
import { loadLibrary, versionedNames } from "./library.node.ts";

const refused = (pattern: RegExp) => (error: unknown) =>
  error instanceof SenetError && error.code === "executor" && pattern.test(error.message);

test("a path where no library is, is named with what to install", () => {
  assert.throws(
    () => loadLibrary("/nowhere/libdnnl.so"),
    refused(/SENET_ONEDNN=\/nowhere\/libdnnl\.so[\s\S]*libdnnl2/),
  );
});

test("a file that is no library is refused", () => {
  const file = join(temporaryFolder(), "libdnnl.so.2");
  writeFileSync(file, "not a library");
  assert.throws(() => loadLibrary(file), refused(/oneDNN was not found on this machine/));
});

const other = ["/lib/x86_64-linux-gnu/libm.so.6", "/lib64/libm.so.6"].find((path) => existsSync(path));
test("a library that is not oneDNN is refused by the function that it lacks", {
  skip: other === undefined && "no other library is known here",
}, () => {
  assert.throws(() => loadLibrary(other), refused(/no function dnnl_version/));
});

test("libraries with their version in the name are found, the newest first, and no others", () => {
  const folder = temporaryFolder();
  const names = [
    "libdnnl.so.3.6",
    "libdnnl.so.3.10",
    "libdnnl.so.2.6",
    "libdnnl.so.3.6.1",
    "libdnnl.so",
    "libdnnl_graph.so.3.6",
  ];
  for (const name of names) writeFileSync(join(folder, name), "");
  assert.deepEqual(versionedNames(["/nowhere", folder]), [
    join(folder, "libdnnl.so.3.10"),
    join(folder, "libdnnl.so.3.6"),
  ]);
});
