/**
 * Caches the page in this browser: it opens offline, and a second visit loads nothing. Its responses make the page
 * cross-origin isolated, as threads require, even if the web server cannot send the headers.
 */

/// <reference lib="webworker" />

declare const self: ServiceWorkerGlobalScope;

export interface Kept {
  readonly version: string;
  readonly files: readonly string[];
}

/** Inserted by web/build.mjs. */
declare const __KEPT__: Kept;

const { version, files } = __KEPT__;
const prefix = "senet-page-";
const cacheName = prefix + version;
const scope = new URL(self.registration.scope);
/** The page's address is its folder. */
const addresses = new Set(files.map((path) => new URL(path === "index.html" ? "./" : path, scope).href));
/** Files of this and other versions, and networks: their names are unique. */
const assets = new URL("assets/", scope).href;
const networks = new URL("networks/", scope).href;
/** The list of offered networks may change between visits; offline, the last known one is used. */
const settings = new URL("app.json", scope).href;

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  const address = url.replace(/[?#].*$/s, "").replace(/\/index\.html$/, "/");
  if (method !== "GET") return;
  if (address === settings) event.respondWith(newest(event));
  else if (addresses.has(address) || [assets, networks].some((folder) => address.startsWith(folder)))
    event.respondWith(kept(address, event));
});

async function install(): Promise<void> {
  const cache = await caches.open(cacheName);
  // Files that the page has just loaded come from the browser's own cache.
  await cache.addAll([...addresses, settings]);
  await self.skipWaiting();
}

/** A page of the previous version may still be open and request its own files: the names are in order of age. */
async function activate(): Promise<void> {
  const names = (await caches.keys()).filter((name) => name.startsWith(prefix) && name !== cacheName);
  for (const name of names.slice(0, -1)) await caches.delete(name);
  await self.clients.claim();
}

async function kept(address: string, event: FetchEvent): Promise<Response> {
  const own = await caches.match(address, { cacheName });
  return isolated(own ?? (await caches.match(address)) ?? (await fetched(address, event)));
}

/** Other files are cached when they are first requested, if there is room; the page does not wait for this. */
async function fetched(address: string, event: FetchEvent): Promise<Response> {
  const response = await fetch(address);
  if (response.ok) event.waitUntil(keep(address, response.clone()).catch(() => {}));
  return response;
}

async function keep(address: string, response: Response): Promise<void> {
  await (await caches.open(cacheName)).put(address, response);
}

async function newest(event: FetchEvent): Promise<Response> {
  const cache = await caches.open(cacheName);
  try {
    const response = await fetch(event.request);
    if (!response.ok) throw new Error(response.statusText);
    await cache.put(settings, response.clone());
    event.waitUntil(forgetOthers(cache, response.clone()).catch(() => {}));
    return response;
  } catch (error) {
    const before = await cache.match(settings);
    if (before === undefined) throw error;
    return before;
  }
}

/** Deletes networks that are no longer offered. */
async function forgetOthers(cache: Cache, response: Response): Promise<void> {
  const offered = ((await response.json()) as { networks: readonly { path: string }[] }).networks;
  const wanted = new Set(offered.map(({ path }) => new URL(path, scope).href));
  for (const { url } of await cache.keys()) if (url.startsWith(networks) && !wanted.has(url)) await cache.delete(url);
}

function isolated(response: Response): Response {
  const headers = new Headers(response.headers);
  headers.set("cross-origin-opener-policy", "same-origin");
  headers.set("cross-origin-embedder-policy", "require-corp");
  // The response is already decompressed.
  headers.delete("content-encoding");
  headers.delete("content-length");
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}
