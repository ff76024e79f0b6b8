/**
 * The demo's pictures: one object in front of a background, as SVG. A picture depends only on its class and a random
 * stream, so that a seed gives the same pictures everywhere and no data set has to be downloaded.
 *
 * Colour, position, size, rotation and background are drawn independently of the class: only the shape reveals it. A
 * mirrored picture keeps its class.
 */

import type { Random } from "../random.ts";
import { places } from "./backgrounds.ts";
import { between, type Colour, colour, css, happens, ink, num, pick, white } from "./brush.ts";
import { objects, type Paint } from "./objects.ts";

/** The classes, in the order of a folder's listing. */
export const classNames: readonly string[] = Object.keys(objects);

/** Colours that go well together and with every background. */
const palette: readonly Colour[] = [
  colour(4, 72, 54), // tomato
  colour(18, 82, 60), // coral
  colour(24, 60, 42), // rust
  colour(34, 90, 58), // orange
  colour(46, 88, 60), // mustard
  colour(54, 78, 70), // straw
  colour(80, 42, 48), // olive
  colour(100, 42, 60), // leaf
  colour(150, 40, 42), // pine
  colour(165, 45, 66), // mint
  colour(182, 56, 42), // teal
  colour(200, 68, 60), // sky
  colour(215, 62, 48), // blue
  colour(232, 45, 40), // indigo
  colour(262, 48, 64), // lavender
  colour(285, 40, 44), // plum
  colour(330, 68, 62), // pink
  colour(345, 66, 46), // raspberry
  colour(35, 45, 86), // cream
  colour(215, 16, 36), // slate
];

/** Degrees between two hues, 0 to 180. */
const hueDistance = (a: number, b: number): number => Math.abs(((((a - b) % 360) + 540) % 360) - 180);

/** A slightly varied colour of the palette, at least `apart` degrees from neighbouring hues. */
function choose(random: Random, neighbours: readonly number[], apart: number): Colour {
  const fitting = palette.filter((c) => neighbours.every((hue) => hueDistance(c.hue, hue) >= apart));
  const c = pick(random, fitting);
  return colour(
    c.hue + between(random, -6, 6),
    c.saturation + between(random, -8, 8),
    c.lightness + between(random, -5, 5),
  );
}

/** Colours for the object, different from the background's hue and from each other. */
function choosePaint(random: Random, backgroundHue: number): Paint {
  const main = choose(random, [backgroundHue], 45);
  const second = choose(random, [main.hue], 30);
  return { main, second, third: choose(random, [main.hue, second.hue], 25) };
}

/**
 * A picture of the class as an SVG document of `size` × `size` pixels. It uses no fonts, so that it looks the same on
 * every machine.
 * @param random a separate stream for each picture keeps pictures independent of how many are drawn
 */
export function drawScene(name: string, random: Random, size: number): string {
  const draw = objects[name];
  if (draw === undefined) throw new RangeError(`no drawing for the class ${name}; there are ${classNames.join(", ")}`);
  const place = pick(random, places)(random);
  const paint = choosePaint(random, place.hue);

  // The object takes 76 to 96 percent of the side; smaller ones may be farther from the centre.
  const scale = between(random, 0.76, 0.96);
  const room = 50 - 47 * scale;
  const x = 50 + between(random, -room, room);
  const y = 50 + between(random, -room, room);
  const turn = Math.max(-16, Math.min(16, 7 * random.normal()));
  const mirror = happens(random, 0.5) ? -1 : 1;
  const squeeze = between(random, 0.86, 1.14);
  const transform =
    `translate(${num(x)} ${num(y)}) rotate(${num(turn)}) ` +
    `scale(${num(scale * mirror * squeeze)} ${num(scale / squeeze)})`;

  const shape = draw(random, paint);
  // Most objects have an outline like a sticker: the same shape behind them, with thick strokes in one colour.
  const rim = pick(random, [undefined, white, white, white, ink, ink]);
  const behind =
    rim === undefined
      ? ""
      : `<style>.rim * { stroke: ${css(rim)}; stroke-width: 6.5; stroke-linejoin: round }</style>
<g class="rim" transform="${transform}">${shape}</g>`;
  // Haze over the background makes the object stand out, like depth in a photograph.
  const haze = colour(place.hue, 40, 90);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${size}" height="${size}" viewBox="0 0 100 100">
${place.svg}
<rect width="100" height="100" fill="${css(haze)}" opacity="0.28"/>
${behind}
<g transform="${transform}">${shape}</g>
</svg>`;
}
