import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const source = (path) => fileURLToPath(new URL(`../src/${path}`, import.meta.url));

export default defineConfig({
  // Addresses relative to the page: it may lie anywhere.
  base: "./",
  resolve: { alias: [{ find: /^senet$/, replacement: source("index.ts") }] },
  build: { target: "es2023", assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  worker: { format: "es" },
});
