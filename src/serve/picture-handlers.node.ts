/** Handlers of the routes that take pictures: each picture of a request gets its own answer or error. */

import type * as z from "../schema.ts";
import type { Metrics } from "./metrics.ts";
import { parsed } from "./parse.ts";
import { picturesOf } from "./pictures.node.ts";
import { classifyOptions, explainOptions, featuresOptions } from "./schemas.ts";
import { bodyOf, type Handler, type Service } from "./service.node.ts";
import type { Answers, Outcome, SentPicture, WorkOf } from "./work.node.ts";

type PictureWork = "classify" | "features" | "explain";

/** Default number of classes to return. */
const usualTop = 5;

export function pictureHandlers(service: Service, metrics: Metrics): Readonly<Record<PictureWork, Handler>> {
  return {
    classify: onPictures<"classify", z.output<typeof classifyOptions>>(service, metrics, {
      options: classifyOptions,
      work: (picture, { top = usualTop }) => ({ kind: "classify", picture, top }),
      shown: (predictions) => ({ predictions }),
    }),
    features: onPictures<"features", z.output<typeof featuresOptions>>(service, metrics, {
      options: featuresOptions,
      work: (picture) => ({ kind: "features", picture }),
      shown: (features) => ({ features: Array.from(features) }),
    }),
    explain: onPictures<"explain", z.output<typeof explainOptions>>(service, metrics, {
      options: explainOptions,
      work: (picture, { top = usualTop, class: target, method, stage, overlay = false }) => {
        return { kind: "explain", picture, top, target, method, stage, overlay };
      },
      shown: ({ heat, overlay, ...rest }) => ({
        ...rest,
        heat: { ...heat, values: Array.from(heat.values) },
        ...(overlay !== undefined && { overlay: Buffer.from(overlay).toString("base64") }),
      }),
    }),
  };
}

/** What distinguishes the routes that take pictures. */
interface PictureRoute<K extends PictureWork, Options> {
  /** The request's parameters. */
  readonly options: z.Schema<Options>;
  readonly work: (picture: SentPicture, options: Options) => WorkOf<K>;
  /** The answer for one picture, as JSON has it. */
  readonly shown: (answer: Answers[K]) => object;
}

/** If the only picture of a request cannot be used, the request is refused. */
function onPictures<K extends PictureWork, Options extends { readonly model?: string | undefined }>(
  { pool, models, settings }: Service,
  metrics: Metrics,
  { options, work, shown }: PictureRoute<K, Options>,
): Handler {
  const resultOf = (outcome: Outcome<Answers[K]>): object => {
    if ("answer" in outcome) return shown(outcome.answer);
    metrics.refused.add({ code: outcome.refusal.fault.code });
    return { error: outcome.refusal.fault };
  };
  return async (request, wish) => {
    const { headers, query } = request;
    const pictures = { contentType: headers["content-type"], body: bodyOf(request), query };
    const sent = await picturesOf(pictures, settings, wish);
    const wanted = parsed(options, sent.options, "the request");
    return models.use(wanted.model, async ({ key, name, version }) => {
      const works = sent.pictures.map((picture) => work(picture, wanted));
      const outcomes = await pool.submit<K>(key, works, wish);
      metrics.pictures.add({ model: name }, outcomes.length);
      const [first] = outcomes;
      if (outcomes.length === 1 && "refusal" in first!) throw first.refusal;
      const results = outcomes.map((outcome, i) => ({ name: sent.pictures[i]!.name, ...resultOf(outcome) }));
      return { model: name, version, results };
    });
  };
}
