/** Colors that most people can tell apart on light and dark ground; like all colors here, `#rrggbb`. */
export const COLORS = [
  '#4e79a7',
  '#f28e2b',
  '#59a14f',
  '#e15759',
  '#b07aa1',
  '#9c755f',
  '#17a2b8',
  '#d4a017',
  '#ff7fa5',
  '#8a8f98',
] as const;

/** The color of the class with this number, of so many. */
export function colorOf(index: number, count: number): string {
  if (count <= COLORS.length) return COLORS[index % COLORS.length]!;
  return ofHue((360 * index) / count);
}

/** The color of a place from 0 to 1 along something that has an order, such as a network's depth. */
export function rampColor(place: number): string {
  return ofHue(260 - 230 * place);
}

/** Red, green and blue from 0 to 255. */
export function channelsOf(color: string): [number, number, number] {
  const value = Number.parseInt(color.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

/** A saturated color of middle lightness (CSS Color 4, section 7.1). */
function ofHue(hue: number): string {
  const [saturation, lightness] = [0.62, 0.52];
  const reach = saturation * Math.min(lightness, 1 - lightness);
  const channel = (n: number) => {
    const k = (n + hue / 30) % 12;
    const level = lightness - reach * Math.max(-1, Math.min(k - 3, 9 - k, 1));
    return Math.round(255 * level)
      .toString(16)
      .padStart(2, '0');
  };
  return `#${channel(0)}${channel(8)}${channel(4)}`;
}
