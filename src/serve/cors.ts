/** Pages of other origins: a browser hands them an answer only where its headers allow it (CORS, in the Fetch standard). */

type Headers = Readonly<Record<string, string>>;

/** What a page may read besides the body. */
const exposed = "inference-header-content-length, retry-after";
/** Seconds for which a browser need not ask again; Chromium takes no more. */
const remembered = 7200;

/**
 * Of any answer.
 * @param allowed origins such as `https://example.org`, or `*`; none: nothing is said
 * @param origin of the page, as its browser says
 */
export function answerHeaders(allowed: readonly string[], origin: string | undefined): Headers {
  if (allowed.length === 0) return {};
  const found = allowed.includes("*") ? "*" : allowed.find((one) => one === origin);
  return {
    // One answer is not another page's: caches are told what it hangs on.
    ...(!allowed.includes("*") && { vary: "Origin" }),
    ...(found !== undefined && { "access-control-allow-origin": found, "access-control-expose-headers": exposed }),
  };
}

/** What a browser asks with `OPTIONS` before it lets a page ask anything uncommon; absent: this is no such question. */
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
    ...{ "access-control-allow-origin": answer["access-control-allow-origin"], vary },
    ...{ "access-control-allow-methods": "GET, HEAD, POST", "access-control-max-age": `${remembered}` },
    ...(wanted !== undefined && { "access-control-allow-headers": `${wanted}` }),
  };
}
