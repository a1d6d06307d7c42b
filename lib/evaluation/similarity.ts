import { checkInteger, checkOptions, expected } from '../check.ts';
import { Dataset } from '../data/dataset.ts';
import { TorchvaeError } from '../errors.ts';
import { checkFiniteValues, type Examples } from '../model/input.ts';
import { callAddon } from '../runtime/addon.ts';
import { Device, type DeviceName } from '../runtime/device.ts';

/** How {@link structuralSimilarity} reads its images. */
export interface SimilarityOptions {
  /** Of one image, `[channels, height, width]` or `[height, width]`; required for flat arrays. */
  shape?: readonly number[];
  /** Default `auto`. */
  device?: DeviceName;
}

/** Pixels that each side of an image must have: the window's. */
export const SSIM_WINDOW = 11;

/**
 * The structural similarity (SSIM; Wang et al. 2004) of each pair of images with values in [0, 1]: at most 1, which equal
 * images have. With a Gaussian window of 11 x 11 pixels of standard deviation 1.5, as in that paper, over the places where it
 * lies wholly inside; averaged over channels.
 *
 * @param images [n, ...shape]
 * @param others [n, ...shape], such as the reconstructions
 * @returns [n]
 * @throws TorchvaeError ERR_TYPE, ERR_RANGE for values that are not finite, ERR_SHAPE for sets that differ in number or size, or
 * images smaller than the window
 */
export async function structuralSimilarity(
  images: Examples,
  others: Examples,
  options: SimilarityOptions = {},
): Promise<Float32Array> {
  const given = checkOptions('options of structuralSimilarity', options, ['shape', 'device']);
  const shape = given.shape ?? shapeOf(images) ?? shapeOf(others);
  const [channels, height, width] = checkImageShape(shape);
  const size = channels * height * width;
  const [a, b] = [checkFiniteValues('images', images), checkFiniteValues('others', others)];
  for (const [name, values] of Object.entries({ images: a, others: b })) {
    if (values.length > 0 && values.length % size === 0 && values.length === a.length) continue;
    const count = name === 'images' ? 'a positive number of' : 'as many';
    throw new TorchvaeError(
      'ERR_SHAPE',
      `Expected ${count} images of ${size} values for ${name} but received ${values.length} values`,
    );
  }
  const { addon, handle } = Device.open(given.device ?? 'auto');
  return callAddon(() => addon.structuralSimilarity(handle, a, b, channels, height, width));
}

function shapeOf(x: Examples): readonly number[] | undefined {
  if (x instanceof Dataset) return x.shape;
  return ArrayBuffer.isView(x) ? undefined : x?.shape?.slice(1);
}

function checkImageShape(shape: readonly number[] | undefined): [number, number, number] {
  const given: readonly unknown[] = Array.isArray(shape) ? shape : [];
  const [channels, height, width] = given.length === 2 ? [1, ...given] : given;
  const isImage = given.length === 2 || given.length === 3;
  const isSmall = [height, width].some((side) => typeof side === 'number' && side < SSIM_WINDOW);
  if (!isImage || isSmall) {
    const what = `[channels, height, width] with sides of at least ${SSIM_WINDOW} pixels`;
    throw new TorchvaeError('ERR_SHAPE', expected(what, 'shape', String(shape)));
  }
  const limit = 1 << 20;
  return [
    checkInteger('shape[0]', channels, 1, limit),
    checkInteger('shape[1]', height, 1, limit),
    checkInteger('shape[2]', width, 1, limit),
  ];
}
