/**
 * The twelve kinds of objects. Each is drawn around the origin in coordinates from −50 to 50, y downwards, with given
 * colours and a varying shape. Colours do not reveal the class: there are blue trees.
 */

import type { Random } from "../random.ts";
import { between, type Colour, css, happens, ink, lighter, num, points, polar, repeat, white, whole } from "./brush.ts";

/** The colours of one picture's object, which contrast with its background and with each other. */
export interface Paint {
  readonly main: Colour;
  readonly second: Colour;
  readonly third: Colour;
}

type Draw = (random: Random, paint: Paint) => string;

const butterfly: Draw = (random, { main, second, third }) => {
  const upper = between(random, 24, 31);
  const lower = between(random, 15, 22);
  const spot = between(random, 4, 9);
  const wing = `
    <ellipse cx="24" cy="-15" rx="${num(upper)}" ry="${num(upper * 0.72)}" transform="rotate(-38 24 -15)" fill="${css(main)}"/>
    <ellipse cx="19" cy="20" rx="${num(lower)}" ry="${num(lower * 0.8)}" transform="rotate(40 19 20)" fill="${css(second)}"/>
    <circle cx="28" cy="-18" r="${num(spot * 1.3)}" fill="${css(third)}"/>
    <circle cx="20" cy="21" r="${num(spot * 0.8)}" fill="${css(third)}"/>`;
  const bend = between(random, 6, 14);
  return `${wing}<g transform="scale(-1 1)">${wing}</g>
    <path d="M0 -24 Q${num(bend)} -34 ${num(bend + 4)} -43 M0 -24 Q${num(-bend)} -34 ${num(-bend - 4)} -43" fill="none"
      stroke="${css(ink)}" stroke-width="2.4" stroke-linecap="round"/>
    <ellipse rx="4.6" ry="28" fill="${css(ink)}"/><circle cy="-26" r="6" fill="${css(ink)}"/>`;
};

const car: Draw = (random, { main, second, third }) => {
  const roof = between(random, -27, -20);
  const front = between(random, 12, 24);
  const back = between(random, -38, -24);
  const wheel = between(random, 9, 12);
  const glass = lighter(second, 24);
  return `
    <path d="M${num(back)} -4 L${num(back + 9)} ${num(roof)} H${num(front - 7)} L${num(front + 10)} -4 Z" fill="${css(lighter(main, -8))}"/>
    <path d="M${num(back + 6)} -4 L${num(back + 12)} ${num(roof + 5)} H-6 V-4 Z M-2 -4 V${num(roof + 5)} H${num(front - 9)} L${num(front + 4)} -4 Z" fill="${css(glass)}"/>
    <path d="M-46 18 V4 Q-46 -5 -36 -5 H30 Q46 -4 47 8 V18 Z" fill="${css(main)}"/>
    <rect x="-46" y="8" width="93" height="4" fill="${css(third)}"/>
    <circle cx="43" cy="3" r="4" fill="${css(white)}"/>
    ${[-26, 26]
      .map(
        (x) => `<circle cx="${x}" cy="19" r="${num(wheel)}" fill="${css(ink)}"/>
          <circle cx="${x}" cy="19" r="${num(wheel * 0.45)}" fill="${css(white)}"/>`,
      )
      .join("")}`;
};

const cat: Draw = (random, { main, second, third }) => {
  const ear = between(random, 38, 48);
  const eye = between(random, 5, 8);
  const slit = between(random, 1.4, 3.2);
  const stripes = happens(random, 0.5)
    ? `<path d="M0 -32 V-18 M-11 -30 L-8 -19 M11 -30 L8 -19" stroke="${css(lighter(main, -20))}" stroke-width="4.5" stroke-linecap="round"/>`
    : "";
  const half = `
    <polygon points="8,-26 ${num(ear * 0.72)},${num(-ear)} 38,-4" fill="${css(main)}"/>
    <polygon points="17,-25 ${num(ear * 0.68)},${num(-ear + 9)} 33,-11" fill="${css(second)}"/>`;
  const features = `
    <ellipse cx="15" cy="-3" rx="${num(eye)}" ry="${num(eye * 1.15)}" fill="${css(lighter(third, 15))}"/>
    <ellipse cx="15" cy="-3" rx="${num(slit)}" ry="${num(eye)}" fill="${css(ink)}"/>
    <path d="M0 15 Q6 23 13 18 M19 12 L42 8 M19 16 L41 20" fill="none" stroke="${css(ink)}" stroke-width="2" stroke-linecap="round"/>`;
  const flip = (part: string) => `${part}<g transform="scale(-1 1)">${part}</g>`;
  return `${flip(half)}<ellipse cy="4" rx="38" ry="34" fill="${css(main)}"/>${stripes}
    <ellipse cy="18" rx="19" ry="14" fill="${css(lighter(main, 22))}"/>${flip(features)}
    <path d="M-5 9 H5 L0 15 Z" fill="${css(second)}" stroke="${css(second)}" stroke-width="2" stroke-linejoin="round"/>`;
};

const fish: Draw = (random, { main, second, third }) => {
  const height = between(random, 17, 27);
  const tail = between(random, 15, 24);
  const bands = whole(random, 0, 3);
  return `
    <path d="M18 0 Q34 ${num(-tail * 0.4)} 47 ${num(-tail)} Q39 0 47 ${num(tail)} Q34 ${num(tail * 0.4)} 18 0 Z" fill="${css(second)}"/>
    <path d="M-16 ${num(-height * 0.7)} Q0 ${num(-height - 18)} 16 ${num(-height * 0.6)} Z" fill="${css(second)}"/>
    <path d="M-8 ${num(height * 0.8)} Q2 ${num(height + 14)} 12 ${num(height * 0.6)} Z" fill="${css(second)}"/>
    <path d="M-45 2 C-32 ${num(-height * 1.3)} 8 ${num(-height * 1.35)} 28 0 C8 ${num(height * 1.35)} -32 ${num(height * 1.3)} -45 2 Z" fill="${css(main)}"/>
    ${repeat(bands, (i) => {
      const x = -10 + i * 11;
      const reach = height * (0.86 - i * 0.16);
      return `<path d="M${x} ${num(-reach)} Q${x + 8} 0 ${x} ${num(reach)}" fill="none" stroke="${css(third)}" stroke-width="4.5"/>`;
    })}
    <path d="M-21 ${num(-height * 0.62)} Q-14 0 -21 ${num(height * 0.66)}" fill="none" stroke="${css(lighter(main, -22))}" stroke-width="2.2"/>
    <circle cx="-30" cy="-4" r="5" fill="${css(white)}"/><circle cx="-31" cy="-4" r="2.6" fill="${css(ink)}"/>`;
};

const flower: Draw = (random, { main, second, third }) => {
  const petals = whole(random, 5, 9);
  const length = between(random, 13, 17);
  const breadth = Math.min(9.5, between(random, 42, 58) / petals);
  const bend = between(random, -9, 9);
  const turn = between(random, 0, 360 / petals);
  const leaf = between(random, 12, 19);
  return `
    <path d="M0 -16 Q${num(bend)} 16 0 48" fill="none" stroke="${css(third)}" stroke-width="4.5" stroke-linecap="round"/>
    <path d="M${num(bend * 0.5)} 32 Q${num(leaf * 0.5)} 12 ${num(leaf + 8)} 17 Q${num(leaf)} 32 ${num(bend * 0.5)} 32 Z" fill="${css(third)}"/>
    <path d="M${num(bend * 0.5)} 38 Q${num(-leaf * 0.5)} 19 ${num(-leaf - 8)} 24 Q${num(-leaf)} 38 ${num(bend * 0.5)} 38 Z" fill="${css(lighter(third, -8))}"/>
    <g transform="translate(0 -18)">${repeat(
      petals,
      (i) =>
        `<ellipse cy="${num(-length)}" rx="${num(breadth)}" ry="${num(length)}" transform="rotate(${num(turn + (360 / petals) * i)})" fill="${css(lighter(main, i % 2 === 0 ? 0 : 6))}"/>`,
    )}<circle r="9" fill="${css(second)}"/><circle r="4.5" fill="${css(lighter(second, -14))}"/></g>`;
};

const house: Draw = (random, { main, second, third }) => {
  const half = between(random, 26, 34);
  const eaves = between(random, -12, -2);
  const ridge = between(random, -44, -32);
  const door = between(random, -half + 14, half - 14);
  const chimney = between(random, 8, 18);
  const glow = lighter(third, 26);
  const windows = [-half * 0.58, half * 0.58]
    .filter((x) => Math.abs(x - door) > 15)
    .map(
      (x) => `<rect x="${num(x - 7)}" y="6" width="14" height="14" fill="${css(glow)}"/>
        <path d="M${num(x)} 6 v14 M${num(x - 7)} 13 h14" stroke="${css(lighter(main, -26))}" stroke-width="1.8"/>`,
    );
  return `
    <rect x="${num(chimney)}" y="${num(ridge - 3)}" width="9" height="30" fill="${css(lighter(main, -18))}"/>
    <rect x="${num(-half)}" y="${num(eaves - 2)}" width="${num(half * 2)}" height="${num(44 - eaves)}" fill="${css(main)}"/>
    <polygon points="${points([
      [-half - 9, eaves],
      [between(random, -8, 8), ridge],
      [half + 9, eaves],
    ])}" fill="${css(second)}"/>
    <rect x="${num(door - 7)}" y="18" width="14" height="24" fill="${css(lighter(second, -14))}"/>
    <circle cx="${num(door + 4)}" cy="31" r="1.5" fill="${css(white)}"/>${windows.join("")}`;
};

const mushroom: Draw = (random, { main, second, third }) => {
  const stem = between(random, 9, 14);
  const brim = between(random, 34, 44);
  const top = between(random, -62, -46);
  const spots = whole(random, 3, 5);
  return `
    <path d="M${num(-stem)} -2 Q${num(-stem + 3)} 22 ${num(-stem - 5)} 42 Q0 49 ${num(stem + 5)} 42 Q${num(stem - 3)} 22 ${num(stem)} -2 Z" fill="${css(lighter(second, 22))}"/>
    <path d="M${num(-stem - 3)} 6 Q0 15 ${num(stem + 3)} 6 V-2 H${num(-stem - 3)} Z" fill="${css(second)}"/>
    <path d="M${num(-brim)} 2 C${num(-brim + 4)} ${num(top)} ${num(brim - 4)} ${num(top)} ${num(brim)} 2 Q0 11 ${num(-brim)} 2 Z" fill="${css(main)}"/>
    ${repeat(spots, (i) => {
      const across = (i + 0.5) / spots - 0.5;
      const y = top * (0.42 - Math.abs(across) * 0.42) + (i % 2 === 0 ? -3 : 7);
      return `<ellipse cx="${num(across * brim * 1.45)}" cy="${num(y)}" rx="${num(between(random, 3.4, 6.2))}" ry="${num(between(random, 3, 5))}" fill="${css(lighter(third, 20))}"/>`;
    })}`;
};

const rocket: Draw = (random, { main, second, third }) => {
  const width = between(random, 12, 17);
  const fin = between(random, 12, 19);
  const flame = between(random, 40, 49);
  const port = between(random, 5, 7.5);
  return `
    <path d="M-8 27 Q-10 36 0 ${num(flame)} Q10 36 8 27 Z" fill="hsl(38,95%,58%)"/>
    <path d="M-4 27 Q-5 33 0 ${num(flame - 7)} Q5 33 4 27 Z" fill="hsl(52,98%,78%)"/>
    <path d="M${num(-width + 3)} 4 Q${num(-width - fin)} 12 ${num(-width - fin)} 34 L${num(-width + 4)} 25 Z M${num(width - 3)} 4 Q${num(width + fin)} 12 ${num(width + fin)} 34 L${num(width - 4)} 25 Z" fill="${css(second)}"/>
    <path d="M0 -48 C${num(width * 1.5)} -28 ${num(width * 1.25)} 8 ${num(width * 0.7)} 28 H${num(-width * 0.7)} C${num(-width * 1.25)} 8 ${num(-width * 1.5)} -28 0 -48 Z" fill="${css(main)}"/>
    <path d="M0 -48 C${num(width * 0.7)} -39 ${num(width * 0.9)} -30 ${num(width)} -24 H${num(-width)} C${num(-width * 0.9)} -30 ${num(-width * 0.7)} -39 0 -48 Z" fill="${css(second)}"/>
    <circle cy="-8" r="${num(port + 2.2)}" fill="${css(ink)}"/><circle cy="-8" r="${num(port)}" fill="${css(lighter(third, 20))}"/>
    <rect x="-2" y="10" width="4" height="20" rx="2" fill="${css(second)}"/>`;
};

const sailboat: Draw = (random, { main, second, third }) => {
  const top = between(random, -48, -38);
  const sail = between(random, 26, 36);
  const jib = between(random, 16, 30);
  const hull = between(random, 32, 42);
  return `
    <path d="M4 ${num(top)} Q${num(sail * 0.9)} -14 ${num(sail + 4)} 16 H4 Z" fill="${css(main)}"/>
    ${happens(random, 0.5) ? `<path d="M4 -6 L${num(sail * 0.66)} -6 L${num(sail * 0.86)} 3 H4 Z" fill="${css(third)}"/>` : ""}
    <path d="M-2 ${num(top + 6)} Q${num(-jib * 0.4)} -4 ${num(-jib - 2)} 16 H-2 Z" fill="${css(lighter(main, 14))}"/>
    <rect x="-0.6" y="${num(top - 3)}" width="3.4" height="${num(26 - top)}" fill="${css(ink)}"/>
    <path d="M1 ${num(top - 3)} l12 4 l-12 4 Z" fill="${css(third)}"/>
    <path d="M${num(-hull)} 21 H${num(hull + 4)} Q${num(hull - 4)} 41 ${num(hull - 16)} 42 H${num(-hull + 14)} Q${num(-hull + 3)} 38 ${num(-hull)} 21 Z" fill="${css(second)}"/>
    <path d="M${num(-hull)} 21 H${num(hull + 4)} l-2 6 H${num(-hull + 1)} Z" fill="${css(lighter(second, 18))}"/>`;
};

const star: Draw = (random, { main, second, third }) => {
  const tips = whole(random, 5, 6);
  const inner = between(random, 19, 25);
  const outline = Array.from({ length: tips * 2 }, (_, i) => polar((180 / tips) * i, i % 2 === 0 ? 44 : inner));
  const heart = outline.map(([x, y]) => [x * 0.56, y * 0.56] as const);
  const middle = happens(random, 0.6)
    ? `<polygon points="${points(heart)}" fill="${css(happens(random, 0.5) ? second : lighter(main, 18))}" stroke-linejoin="round"/>`
    : `<g stroke="${css(third)}" stroke-width="2.2">${repeat(tips, (i) => {
        const [x, y] = polar((360 / tips) * i, 30);
        return `<path d="M0 0 L${num(x)} ${num(y)}"/>`;
      })}</g>`;
  return `<polygon points="${points(outline)}" fill="${css(main)}" stroke="${css(main)}" stroke-width="3" stroke-linejoin="round"/>${middle}`;
};

const tree: Draw = (random, { main, second, third }) => {
  const trunk = between(random, 4.5, 8);
  const wood = `<path d="M${num(-trunk)} 47 Q${num(-trunk * 0.4)} 20 ${num(-trunk * 0.5)} -6 H${num(trunk * 0.5)} Q${num(trunk * 0.4)} 20 ${num(trunk)} 47 Z" fill="${css(lighter(second, -16))}"/>`;
  if (happens(random, 0.4)) {
    // A conifer: three tiers, the widest at the bottom.
    const spread = between(random, 25, 33);
    return `${wood}${repeat(3, (i) => {
      const reach = spread * (1 - i * 0.22);
      const base = 30 - i * 19;
      return `<path d="M${num(-reach)} ${base} Q0 ${base + 6} ${num(reach)} ${base} L0 ${base - 36} Z" fill="${css(lighter(main, i * 6 - 6))}"/>`;
    })}`;
  }
  const crown = between(random, 16, 20);
  const fruit = whole(random, 0, 6);
  return `${wood}
    <g fill="${css(lighter(main, -7))}"><circle cx="-19" cy="-6" r="${num(crown)}"/><circle cx="19" cy="-5" r="${num(crown)}"/></g>
    <g fill="${css(main)}"><circle cy="-10" r="${num(crown + 3)}"/><circle cx="-11" cy="-24" r="${num(crown)}"/><circle cx="12" cy="-25" r="${num(crown)}"/></g>
    <circle cx="-4" cy="-29" r="${num(crown * 0.6)}" fill="${css(lighter(main, 9))}"/>
    ${repeat(fruit, (i) => {
      const [x, y] = polar(i * 137.5, 8 + i * 4);
      return `<circle cx="${num(x)}" cy="${num(y - 14)}" r="3" fill="${css(third)}"/>`;
    })}`;
};

const umbrella: Draw = (random, { main, second, third }) => {
  const height = between(random, 34, 44);
  const hook = between(random, 6, 10);
  const panels = whole(random, 4, 6);
  const edge = Array.from({ length: panels + 1 }, (_, i) => -44 + (88 / panels) * i);
  const top = 2 - height;
  const panel = (i: number): string => {
    const [left, right] = [edge[i]!, edge[i + 1]!];
    // The ribs bulge outwards, more so away from the centre; the rim hangs in small arcs.
    return `<path d="M0 ${num(top)} Q${num(left * 0.86)} ${num(top + height * 0.16)} ${num(left)} 2 Q${num((left + right) / 2)} -7 ${num(right)} 2 Q${num(right * 0.86)} ${num(top + height * 0.16)} 0 ${num(top)} Z" fill="${css(i % 2 === 0 ? main : second)}"/>`;
  };
  return `
    <path d="M0 ${num(top - 5)} V38 a${num(hook)} ${num(hook)} 0 0 0 ${num(hook * 2)} 0 v-4" fill="none" stroke="${css(lighter(third, -22))}" stroke-width="4" stroke-linecap="round"/>
    ${repeat(panels, panel)}`;
};

/** All classes with their drawing functions, in the order of the labels (that of a folder's listing). */
export const objects: Readonly<Record<string, Draw>> = {
  butterfly,
  car,
  cat,
  fish,
  flower,
  house,
  mushroom,
  rocket,
  sailboat,
  star,
  tree,
  umbrella,
};
