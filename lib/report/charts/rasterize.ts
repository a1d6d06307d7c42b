import { checkNumber, checkOptions, expected } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';
import { loadSharp } from '../../sharp.ts';

/**
 * The PNG that shows a chart, on white. Drawn by sharp, which has to be installed beside torchvae.
 *
 * @param options.scale pixels of the picture for each of the chart's; default 2
 * @throws TorchvaeError ERR_STATE without sharp, ERR_TYPE or ERR_RANGE for the arguments, ERR_DATA_FORMAT for text that is not SVG
 */
export async function svgToPng(svg: string, options: { scale?: number } = {}): Promise<Uint8Array> {
  if (typeof svg !== 'string')
    throw new TorchvaeError('ERR_TYPE', expected('the text of an SVG', 'svg', svg));
  const scale = checkNumber(
    'scale',
    checkOptions('options of svgToPng', options, ['scale']).scale ?? 2,
    0.1,
    10,
  );
  const sharp = await loadSharp('A PNG of a chart is drawn');
  try {
    // SVG has 72 dots an inch here.
    const drawing = sharp(Buffer.from(svg), { density: 72 * scale });
    return await drawing.flatten({ background: '#ffffff' }).png().toBuffer();
  } catch (cause) {
    const message = `Expected the text of an SVG for svg but it could not be drawn: ${(cause as Error).message}`;
    throw new TorchvaeError('ERR_DATA_FORMAT', message, { cause });
  }
}
