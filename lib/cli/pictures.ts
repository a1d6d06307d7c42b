import { extname } from 'node:path';
import type { Command } from 'commander';
import type { Dataset } from '../data/index.ts';
import { TorchvaeError } from '../errors.ts';
import { writeFileAtomic } from '../files.ts';
import { svgToPng } from '../report/charts/rasterize.ts';
import { isCurve } from '../report/curves.ts';
import { isImage } from '../report/gallery.ts';
import { encodePng, type Picture } from '../report/png.ts';
import { terminalPicture } from '../report/terminal.ts';
import type { DeviceName } from '../runtime/device.ts';
import { BEST_HELP, DATA_HELP, type DataOptions, SIZE_HELP } from './options.ts';
import { checkOutput } from './outputs.ts';
import { integer, one } from './parsers.ts';
import { addReadingOptions, FILE_FLAGS } from './reading.ts';

/** The options of commands that open a model and data for it. */
export interface ShownOptions extends Partial<DataOptions> {
  best?: boolean;
  device: DeviceName;
}

/** Adds RUN and the options by which a model and its data are opened; a table's columns are known to the model. */
export function addShownOptions(command: Command): Command {
  const named = command
    .argument('<run>', 'run directory or checkpoint file')
    .optionsGroup('Data:')
    .option('--data <name|path>', `${DATA_HELP}; default the data of the run`, one)
    .option('--data-dir <dir>', 'where MNIST and Fashion-MNIST lie')
    .option('--size <pixels>', SIZE_HELP, integer(1));
  return addReadingOptions(named, FILE_FLAGS)
    .optionsGroup('Options:')
    .option('--best', BEST_HELP)
    .option('--device <name>', 'auto, cpu, cuda or cuda:N', 'auto');
}

/** Where a picture goes. */
export interface PictureOptions {
  out: string;
  show?: boolean;
}

/** Help for `--show`. */
export const SHOW_HELP = 'also show it in the terminal, if that has 24-bit colors';

/** Adds `--out` and `--show`. */
export function addPictureOptions(command: Command, out: string): Command {
  return command
    .option('--out <file>', 'PNG to write; of series and vectors also SVG', out)
    .option('--show', SHOW_HELP);
}

/**
 * Writes the PNG, and shows it with --show on a terminal.
 *
 * @throws TorchvaeError ERR_RANGE for a file of another extension
 */
export async function putPicture(picture: Picture, { out, show }: PictureOptions): Promise<void> {
  checkOutput(out, ['.png']);
  await writeFileAtomic(out, encodePng(picture));
  showInTerminal({ show }, (columns) => terminalPicture(picture, columns));
}

/** Shows a picture with --show on a terminal; nothing goes into a file or a pipe. */
export function showInTerminal(
  { show }: { show?: boolean | undefined },
  make: (columns: number) => string,
): void {
  const { isTTY, columns } = process.stdout;
  if (!show || !isTTY) return;
  if (process.stdout.hasColors(2 ** 24)) process.stdout.write(make(columns || 80));
  else process.stderr.write('This terminal shows no 24-bit colors; set COLORTERM=truecolor if it does\n');
}

/**
 * Writes the chart: SVG where the file's name says so, else a PNG.
 *
 * @throws TorchvaeError ERR_RANGE for a file of another extension
 */
export async function putChart(svg: string, { out, show }: PictureOptions): Promise<void> {
  checkOutput(out, ['.png', '.svg']);
  await writeFileAtomic(out, extname(out).toLowerCase() === '.svg' ? svg : await svgToPng(svg));
  if (show) process.stderr.write('--show shows images alone; open the file instead\n');
}

/**
 * How examples are shown.
 *
 * @throws TorchvaeError ERR_STATE for examples of which there is no picture
 */
export function pictureOf(data: Dataset): 'images' | 'curves' {
  if (isImage(data)) return 'images';
  if (isCurve(data)) return 'curves';
  throw new TorchvaeError(
    'ERR_STATE',
    `Expected images of 1 or 3 channels, series or vectors to make a picture of but ${data.name} has examples of shape ` +
      `${data.shape.join(' x ')}, ${data.kind}; torchvae report shows other data`,
  );
}
