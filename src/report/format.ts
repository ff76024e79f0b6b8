/** Formats numbers for people, in a fixed locale, so that equal runs give equal reports. */

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** `11,784,424` */
export const count = (value: number): string => grouped.format(value);

/** Three or four digits with a unit prefix: `272.5 k`, `28.1 M`, `3.87 G`. */
export function short(value: number): string {
  const units = ["", " k", " M", " G", " T"];
  let size = 0;
  while (Math.abs(value) >= 999.5 && size < units.length - 1) {
    value /= 1000;
    size++;
  }
  return `${size === 0 && Number.isInteger(value) ? value : significant(value, 3)}${units[size]}`;
}

/** `digits` significant digits, never in exponent form, without zeros at the end. */
export function significant(value: number, digits: number): string {
  if (!Number.isFinite(value)) return "n/a";
  if (value === 0) return "0";
  const places = Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value))));
  const text = value.toFixed(Math.min(12, places));
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** `97.2 %`, from a share of 1. */
export const percent = (share: number, places = 1): string =>
  Number.isFinite(share) ? `${(100 * share).toFixed(places)} %` : "n/a";

/** `48 s`, `3 min 05 s`, `2 h 04 min` */
export function duration(seconds: number): string {
  const total = Math.round(seconds);
  if (total < 60) return seconds < 10 ? `${seconds.toFixed(1)} s` : `${total} s`;
  const two = (value: number) => String(value).padStart(2, "0");
  const minutes = Math.floor(total / 60);
  if (minutes < 60) return `${minutes} min ${two(total % 60)} s`;
  const rounded = Math.round(total / 60);
  return `${Math.floor(rounded / 60)} h ${two(rounded % 60)} min`;
}
