/**
 * Backgrounds of the demo's pictures: ten kinds of place, in coordinates from 0 to 100. Any object may appear in front
 * of any of them (fish fly over towns), so that a network cannot tell the class from the background.
 */

import type { Random } from "../random.ts";
import { between, type Colour, colour, css, happens, lighter, num, pick, points, repeat, whole } from "./brush.ts";

export interface Background {
  readonly svg: string;
  /** The dominant hue, which the object avoids. */
  readonly hue: number;
}

/** A vertical gradient over the whole picture. Its id is unique, since a picture has one sky. */
const sky = (top: Colour, bottom: Colour): string =>
  `<defs><linearGradient id="sky" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="${css(top)}"/>` +
  `<stop offset="1" stop-color="${css(bottom)}"/></linearGradient></defs><rect width="100" height="100" fill="url(#sky)"/>`;

/** A wavy line across the picture at about `y`, filled down to the bottom. */
const hill = (random: Random, y: number, swing: number, fill: Colour): string => {
  const left = y + between(random, -swing, swing);
  const right = y + between(random, -swing, swing);
  const rise = between(random, swing, swing * 2.5);
  return `<path d="M0 ${num(left)} C30 ${num(left - rise)} 60 ${num(right + rise)} 100 ${num(right)} V100 H0 Z" fill="${css(fill)}"/>`;
};

const cloud = (random: Random, fill: string): string => {
  const scale = between(random, 0.6, 1.3);
  return `<g transform="translate(${num(between(random, 5, 95))} ${num(between(random, 8, 40))}) scale(${num(scale)})" fill="${fill}" opacity="0.85">
    <ellipse rx="13" ry="4.5"/><circle cx="-4" cy="-4" r="5"/><circle cx="4" cy="-5" r="6.5"/></g>`;
};

const disc = (random: Random, fill: Colour): string =>
  `<circle cx="${num(between(random, 10, 90))}" cy="${num(between(random, 8, 35))}" r="${num(between(random, 5, 10))}" fill="${css(fill)}"/>`;

const specks = (random: Random, count: number, low: number, high: number, fill: string): string =>
  repeat(
    count,
    () =>
      `<circle cx="${num(between(random, 0, 100))}" cy="${num(between(random, low, high))}" r="${num(between(random, 0.4, 1.5))}" fill="${fill}"/>`,
  );

type Place = (random: Random) => Background;

const meadow: Place = (random) => {
  const hue = between(random, 70, 150);
  const horizon = between(random, 52, 74);
  const air = colour(between(random, 185, 225), 70, 78);
  return {
    hue,
    svg: `${sky(air, lighter(air, 14))}${disc(random, colour(48, 95, 72))}${repeat(whole(random, 0, 3), () => cloud(random, "#fff"))}
      ${hill(random, horizon - 8, 6, colour(hue + 14, 34, 62))}${hill(random, horizon, 5, colour(hue, 42, 54))}${hill(random, horizon + 14, 4, colour(hue - 8, 46, 45))}
      ${specks(random, whole(random, 0, 14), horizon + 12, 100, "#fffbe8")}`,
  };
};

const sea: Place = (random) => {
  const hue = between(random, 175, 225);
  const horizon = between(random, 45, 70);
  const water = colour(hue, 55, 52);
  const bands = 4;
  return {
    hue,
    svg: `${sky(colour(hue + 10, 70, 80), colour(hue + 160, 60, 91))}${disc(random, colour(44, 95, 78))}${repeat(whole(random, 0, 2), () => cloud(random, "#fff"))}
      ${repeat(bands, (i) => {
        const y = horizon + ((100 - horizon) / bands) * i;
        const shift = between(random, -8, 8);
        return `<path d="M${num(-20 + shift)} ${num(y)} ${repeat(8, () => "q4 -3 8 0 t8 0 ")} V100 H-20 Z" fill="${css(lighter(water, 8 - i * 6))}"/>`;
      })}`,
  };
};

const night: Place = (random) => {
  const hue = between(random, 215, 280);
  const horizon = between(random, 68, 88);
  return {
    hue,
    svg: `${sky(colour(hue, 50, 14), colour(hue + 20, 45, 34))}${specks(random, whole(random, 20, 45), 0, 75, "#fdf6d8")}
      ${disc(random, colour(52, 60, 88))}${hill(random, horizon, 6, colour(hue - 20, 35, 20))}${hill(random, horizon + 10, 4, colour(hue - 30, 35, 13))}`,
  };
};

const sunset: Place = (random) => {
  const hue = between(random, 350, 395);
  const y = between(random, 45, 65);
  return {
    hue,
    svg: `${sky(colour(hue - 70, 45, 48), colour(hue + 15, 90, 70))}
      <circle cx="${num(between(random, 20, 80))}" cy="${num(y)}" r="${num(between(random, 10, 17))}" fill="${css(colour(hue + 28, 98, 82))}"/>
      ${repeat(whole(random, 1, 3), () => cloud(random, css(colour(hue - 20, 60, 78))))}
      ${hill(random, y + 12, 5, colour(hue - 50, 35, 38))}${hill(random, y + 24, 5, colour(hue - 60, 40, 26))}`,
  };
};

const mountains: Place = (random) => {
  const hue = between(random, 195, 250);
  const ridge = (base: number, height: number, fill: Colour): string => {
    const peaks = whole(random, 2, 4);
    const line = Array.from(
      { length: peaks * 2 + 1 },
      (_, i) => [(100 / (peaks * 2)) * i, base - (i % 2 === 0 ? 0 : height * between(random, 0.6, 1.1))] as const,
    );
    return `<polygon points="0,100 ${points(line)} 100,100" fill="${css(fill)}"/>`;
  };
  return {
    hue,
    svg: `${sky(colour(hue - 10, 55, 74), colour(hue + 130, 50, 90))}${repeat(whole(random, 0, 3), () => cloud(random, "#fff"))}
      ${ridge(between(random, 62, 72), 38, colour(hue, 26, 66))}${ridge(between(random, 74, 82), 26, colour(hue + 6, 28, 50))}${hill(random, 86, 4, colour(hue - 50, 24, 38))}`,
  };
};

const town: Place = (random) => {
  const hue = between(random, 0, 360);
  const blocks = whole(random, 5, 8);
  const breadth = 100 / blocks;
  return {
    hue,
    svg: `${sky(colour(hue + 30, 50, 72), colour(hue + 60, 60, 90))}${repeat(blocks, (i) => {
      const top = between(random, 30, 72);
      const lit = colour(48, 80, happens(random, 0.6) ? 84 : 66);
      return `<rect x="${num(breadth * i)}" y="${num(top)}" width="${num(breadth + 0.4)}" height="100" fill="${css(colour(hue + between(random, -15, 15), 22, between(random, 38, 58)))}"/>
        ${repeat(6, (k) => (happens(random, 0.6) ? `<rect x="${num(breadth * i + breadth * (k % 2 === 0 ? 0.2 : 0.58))}" y="${num(top + 5 + Math.floor(k / 2) * 9)}" width="${num(breadth * 0.22)}" height="4.5" fill="${css(lit)}"/>` : ""))}`;
    })}<rect y="88" width="100" height="12" fill="${css(colour(hue, 10, 34))}"/>`,
  };
};

const deep: Place = (random) => {
  const hue = between(random, 160, 215);
  return {
    hue,
    svg: `${sky(colour(hue, 60, 66), colour(hue + 20, 65, 28))}
      ${repeat(3, () => {
        const x = between(random, -10, 90);
        return `<polygon points="${points([
          [x, 0],
          [x + 9, 0],
          [x + 28, 100],
          [x + 4, 100],
        ])}" fill="#fff" opacity="0.09"/>`;
      })}
      ${repeat(whole(random, 3, 7), () => {
        const x = between(random, 2, 98);
        const height = between(random, 14, 36);
        return `<path d="M${num(x)} 100 q-6 ${num(-height / 4)} 0 ${num(-height / 2)} t0 ${num(-height / 2)}" fill="none" stroke="${css(colour(hue - 50, 45, 36))}" stroke-width="3.4" stroke-linecap="round"/>`;
      })}
      ${repeat(whole(random, 3, 9), () => `<circle cx="${num(between(random, 0, 100))}" cy="${num(between(random, 0, 90))}" r="${num(between(random, 1, 3.2))}" fill="#fff" fill-opacity="0.2" stroke="#fff" stroke-opacity="0.6" stroke-width="0.7"/>`)}`,
  };
};

const stripes: Place = (random) => {
  const hue = between(random, 0, 360);
  const ground = colour(hue, between(random, 25, 60), between(random, 70, 88));
  const width = between(random, 5, 14);
  return {
    hue,
    svg: `<rect width="100" height="100" fill="${css(ground)}"/><g transform="rotate(${num(between(random, 0, 180))} 50 50)">
      ${repeat(Math.ceil(160 / (2 * width)), (i) => `<rect x="${num(-30 + i * 2 * width)}" y="-30" width="${num(width)}" height="160" fill="${css(lighter(ground, -9))}"/>`)}</g>`,
  };
};

const dots: Place = (random) => {
  const hue = between(random, 0, 360);
  const ground = colour(hue, between(random, 20, 50), between(random, 30, 84));
  const step = between(random, 11, 22);
  const radius = step * between(random, 0.14, 0.32);
  const side = Math.ceil(150 / step);
  const dot = css(lighter(ground, pick(random, [-12, 12])));
  return {
    hue,
    svg: `<rect width="100" height="100" fill="${css(ground)}"/><g fill="${dot}" transform="rotate(${num(between(random, 0, 90))} 50 50)">
      ${repeat(side * side, (i) => {
        const row = Math.floor(i / side);
        return `<circle cx="${num(-25 + ((i % side) + (row % 2) / 2) * step)}" cy="${num(-25 + row * step)}" r="${num(radius)}"/>`;
      })}</g>`,
  };
};

/** Blots of neighbouring colours, like wet paint. */
const paint: Place = (random) => {
  const hue = between(random, 0, 360);
  const ground = colour(hue, between(random, 15, 50), between(random, 35, 85));
  return {
    hue,
    svg: `<rect width="100" height="100" fill="${css(ground)}"/>${repeat(whole(random, 8, 16), () => {
      const blot = colour(
        hue + between(random, -28, 28),
        ground.saturation,
        ground.lightness + between(random, -12, 12),
      );
      return `<ellipse cx="${num(between(random, 0, 100))}" cy="${num(between(random, 0, 100))}" rx="${num(between(random, 8, 32))}" ry="${num(between(random, 8, 32))}" fill="${css(blot)}" opacity="0.6"/>`;
    })}`,
  };
};

export const places: readonly Place[] = [meadow, sea, night, sunset, mountains, town, deep, stripes, dots, paint];
