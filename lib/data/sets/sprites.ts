import { checkInteger, checkOptions, expected } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';
import { Dataset, type Factor } from '../dataset.ts';
import { Random } from '../random.ts';

/** How {@link sprites} draws. */
export interface SpritesOptions {
  /** Height and width of an image in pixels: 28, 32 or 64. Default 28. */
  size?: 28 | 32 | 64;
  /** The number of images. Default 20,000. */
  count?: number;
  /** Default 0. Images are drawn one after the other: a longer set of the same seed begins with the shorter one. */
  seed?: number;
}

export const SPRITES_OPTIONS = ['size', 'count', 'seed'] as const;

/** The five causes of variation, as in dSprites; an image is decided by them alone. */
const FACTORS: readonly Factor[] = [
  { name: 'shape', size: 3 },
  { name: 'scale', size: 6 },
  { name: 'rotation', size: 40 },
  { name: 'x', size: 32 },
  { name: 'y', size: 32 },
];
const SHAPES = ['square', 'ellipse', 'heart'];

/** The most pixels that one set may have: what one typed array of every supported Node holds. */
const MAX_BYTES = 2 ** 32;

/** The radius around the largest sprite, as a part of the width of the image. The smallest is half as large. */
const LARGEST = 0.2;

/**
 * White shapes on black whose causes of variation are known, drawn by a formula instead of loaded: a stand-in for
 * dSprites (Matthey, Higgins, Hassabis and Lerchner 2017). Each image has a random shape (square, ellipse, heart),
 * scale (6 steps from half to full size), rotation (40 steps of 9 degrees), x and y (32 steps each, so that the shape
 * stays inside). Edges are anti-aliased. As in dSprites, a square looks the same after 10 steps of rotation and an
 * ellipse after 20.
 *
 * @returns bytes of kind `unit`, shape [1, size, size], with the factors and the shape as label
 * @throws TorchvaeError ERR_TYPE or ERR_RANGE for an option that cannot be
 */
export function sprites(options: SpritesOptions = {}): Dataset {
  const {
    size = 28,
    count = 20_000,
    seed = 0,
  } = checkOptions('options of sprites', options, SPRITES_OPTIONS);
  if (size !== 28 && size !== 32 && size !== 64) {
    throw new TorchvaeError('ERR_RANGE', expected('28, 32 or 64', 'size', size));
  }
  checkInteger('count', count, 1, MAX_BYTES / size ** 2);
  const random = new Random(seed);
  const data = new Uint8Array(count * size * size);
  const labels = new Int32Array(count);
  const factorValues = new Int32Array(count * FACTORS.length);
  for (let i = 0; i < count; i++) {
    const [shape, scale, rotation, x, y] = FACTORS.map((factor) => random.below(factor.size)) as Combination;
    drawSprite(data.subarray(i * size * size, (i + 1) * size * size), size, shape, scale, rotation, x, y);
    labels[i] = shape;
    factorValues.set([shape, scale, rotation, x, y], i * FACTORS.length);
  }
  return new Dataset({
    name: 'sprites',
    shape: [1, size, size],
    kind: 'unit',
    data,
    labels,
    classes: SHAPES,
    factors: FACTORS,
    factorValues,
  });
}

type Combination = [shape: number, scale: number, rotation: number, x: number, y: number];

/**
 * Draws one combination of factors into `image`, [size, size], which is black. A pixel is as bright as the part of it
 * that the shape covers, taken as linear in the distance of its center from the edge.
 */
function drawSprite(image: Uint8Array, size: number, ...[shape, scale, rotation, x, y]: Combination): void {
  const largest = LARGEST * size;
  const radius = (largest * (5 + scale)) / 10;
  const centerX = largest + ((size - 2 * largest) * x) / 31;
  const centerY = largest + ((size - 2 * largest) * y) / 31;
  const angle = (2 * Math.PI * rotation) / 40;
  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  const coverage = COVERAGES[shape]!;
  const top = Math.floor(centerY - radius - 1);
  const bottom = Math.ceil(centerY + radius + 1);
  const left = Math.floor(centerX - radius - 1);
  const right = Math.ceil(centerX + radius + 1);
  for (let row = Math.max(top, 0); row < Math.min(bottom, size); row++) {
    const dy = row + 0.5 - centerY;
    for (let column = Math.max(left, 0); column < Math.min(right, size); column++) {
      const dx = column + 0.5 - centerX;
      const part = coverage(cos * dx + sin * dy, cos * dy - sin * dx, radius);
      image[row * size + column] = 255 * part + 0.5;
    }
  }
}

/**
 * The covered part of the pixel at (u, v) in the frame of the shape, v downwards, in pixels. All shapes touch the
 * circle of `radius` around the origin from inside.
 */
const COVERAGES: readonly ((u: number, v: number, radius: number) => number)[] = [
  squareCoverage,
  ellipseCoverage,
  heartCoverage,
];

function clampUnit(value: number): number {
  return Math.min(Math.max(value, 0), 1);
}

/** The product of the two slabs' coverages, which rounds corners less than the distance would. */
function squareCoverage(u: number, v: number, radius: number): number {
  const half = radius * Math.SQRT1_2;
  return clampUnit(half - Math.abs(u) + 0.5) * clampUnit(half - Math.abs(v) + 0.5);
}

/** Twice as wide as high. The distance is the first-order one: the level set's value over the length of its gradient. */
function ellipseCoverage(u: number, v: number, radius: number): number {
  const a = u / radius;
  const b = (2 * v) / radius;
  const level = Math.sqrt(a * a + b * b);
  const gradient = Math.sqrt(a * a + 4 * b * b) / (radius * level);
  return level < 0.1 ? 1 : clampUnit(0.5 - (level - 1) / gradient);
}

/**
 * A square standing on its corner with half-discs on its upper sides. In units where that corner is the origin and the
 * square's diagonal is 1, the discs have the centers (+-1/4, 3/4) and the radius r = sqrt(1/8). The circle of radius R
 * around (0, R) touches that corner, and the discs if (R - r)^2 = (1/4)^2 + (3/4 - R)^2.
 */
const DISC_RADIUS = Math.sqrt(1 / 8);
const HEART_RADIUS = 0.5 / (1.5 - 2 * DISC_RADIUS);

function heartCoverage(u: number, v: number, radius: number): number {
  const unit = radius / HEART_RADIUS;
  const x = Math.abs(u) / unit;
  const y = HEART_RADIUS - v / unit;
  return clampUnit(0.5 - heartDistance(x, y) * unit);
}

/** Signed distance of (x, y), x >= 0, from the edge of the heart; negative inside. */
function heartDistance(x: number, y: number): number {
  if (x + y > 1) return Math.sqrt((x - 0.25) ** 2 + (y - 0.75) ** 2) - DISC_RADIUS;
  const along = Math.max(x + y, 0) / 2;
  const toSide = (x - along) ** 2 + (y - along) ** 2;
  const toNotch = x * x + (y - 1) ** 2;
  const distance = Math.sqrt(Math.min(toSide, toNotch));
  return x > y ? distance : -distance;
}
