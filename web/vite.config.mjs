import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

// The built library: the page uses it like any other page.
const library = fileURLToPath(new URL("../dist/src/", import.meta.url));

export default defineConfig({
  // Relative addresses: the page can be served from any folder.
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
