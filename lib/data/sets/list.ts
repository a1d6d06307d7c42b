import type { Dataset } from '../dataset.ts';
import { fashionMnist, MNIST_OPTIONS, type MnistOptions, mnist } from './mnist.ts';
import { SPRITES_OPTIONS, type SpritesOptions, sprites } from './sprites.ts';

/** A data set that has a name. */
export interface NamedSet<Options extends object = object> {
  readonly name: string;
  /** The options of `loadDataset` that it takes, beside `split`. */
  readonly options: readonly string[];
  load(options: Options & { split?: 'train' | 'test' }): Dataset | Promise<Dataset>;
}

const spritesSet: NamedSet<SpritesOptions> = {
  name: 'sprites',
  options: SPRITES_OPTIONS,
  load: loadSprites,
};
const mnistSet: NamedSet<MnistOptions> = { name: 'mnist', options: MNIST_OPTIONS, load: mnist };
const fashionMnistSet: NamedSet<MnistOptions> = {
  name: 'fashion-mnist',
  options: MNIST_OPTIONS,
  load: fashionMnist,
};

/** All data sets that have a name. */
export const SETS: readonly NamedSet[] = [spritesSet, mnistSet, fashionMnistSet];

/**
 * The `test` split of sprites. Its images are drawn from a seed far from those that people choose, so that they are
 * other draws than the training images; the 737,280 combinations are few enough that some come in both.
 */
const SPRITES_TEST = { count: 5_000, seedOffset: 2 ** 40 };

function loadSprites({
  split,
  size,
  count,
  seed = 0,
}: SpritesOptions & { split?: 'train' | 'test' }): Dataset {
  const test = split === 'test';
  return sprites({
    ...(size !== undefined && { size }),
    ...(count !== undefined ? { count } : test && { count: SPRITES_TEST.count }),
    seed: test && Number.isInteger(seed) ? seed + SPRITES_TEST.seedOffset : seed,
  });
}
