import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

// As the package has it: the page is a user of the library, which has been built before.
const library = fileURLToPath(new URL("../dist/src/", import.meta.url));

export default defineConfig({
  // Addresses relative to the page: it may lie anywhere.
  base: "./",
  resolve: {
    alias: [
      { find: /^senet\/web$/, replacement: `${library}index.web.js` },
      { find: /^#senet\/(.*)\.ts$/, replacement: `${library}$1.js` },
    ],
  },
  build: { target: "es2023", assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  worker: { format: "es" },
});
