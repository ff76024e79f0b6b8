/** CORS (Fetch standard): a browser gives a response to a page of another origin only if its headers allow that. */

type Headers = Readonly<Record<string, string>>;

/** Headers that a page may read. */
const exposed = "inference-header-content-length, retry-after";
/** Seconds for which a browser may cache a preflight; Chromium's maximum. */
const remembered = 7200;

/**
 * Headers of any response.
 * @param allowed origins such as `https://example.org`, or `*`; if empty, there are no headers
 * @param origin the page's origin, from its browser
 */
export function answerHeaders(allowed: readonly string[], origin: string | undefined): Headers {
  if (allowed.length === 0) return {};
  const found = allowed.includes("*") ? "*" : allowed.find((one) => one === origin);
  return {
    // Tells caches that the response depends on the origin.
    ...(!allowed.includes("*") && { vary: "Origin" }),
    ...(found !== undefined && { "access-control-allow-origin": found, "access-control-expose-headers": exposed }),
  };
}

/** Headers of a response to a preflight request (`OPTIONS`); undefined if it is not one. */
export function preflightHeaders(
  allowed: readonly string[],
  method: string,
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Headers | undefined {
  const isAsked = method === "OPTIONS" && headers["access-control-request-method"] !== undefined;
  const { origin } = headers;
  if (allowed.length === 0 || !isAsked || typeof origin !== "string") return undefined;
  const answer = answerHeaders(allowed, origin);
  const wanted = headers["access-control-request-headers"];
  const vary = [answer.vary, "Access-Control-Request-Headers"].filter(Boolean).join(", ");
  if (answer["access-control-allow-origin"] === undefined) return { vary };
  return {
    "access-control-allow-origin": answer["access-control-allow-origin"],
    vary,
    "access-control-allow-methods": "GET, HEAD, POST",
    "access-control-max-age": `${remembered}`,
    ...(wanted !== undefined && { "access-control-allow-headers": `${wanted}` }),
  };
}
