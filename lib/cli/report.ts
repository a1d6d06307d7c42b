import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Command } from 'commander';
import { TorchvaeError } from '../errors.ts';
import { writeFileAtomic } from '../files.ts';
import type { Exhibit } from '../report/exhibit.ts';
import { gallery } from '../report/gallery.ts';
import { modelTitle } from '../report/model-title.ts';
import { renderReport } from '../report/page/report.ts';
import { RunDirectory } from '../report/run-directory.ts';
import type { DeviceName } from '../runtime/device.ts';
import { STUDY_FILE } from '../search/study/beginning.ts';
import { Study } from '../search/study/study.ts';
import { VAE } from '../vae.ts';
import { inFlags } from './flags.ts';
import { BEST_HELP, checkpointOf } from './options.ts';
import { openRunData, someOf } from './run-data.ts';
import { commandsOf, factsOf, subtitleOf } from './run-facts.ts';
import { settingsOf } from './run-settings.ts';
import { studyPage } from './search-page.ts';

interface Flags {
  best?: boolean;
  out?: string;
  dataDir?: string;
  device: DeviceName;
}

/** Adds `torchvae report`. */
export function register(program: Command): void {
  program
    .command('report')
    .description(
      'Write a page of HTML about a run, or about the study of a search: curves, health, pictures, settings, and how to repeat it.',
    )
    .argument('<run>', 'run directory, or that of a study')
    .option('--best', BEST_HELP)
    .option('--out <file>', 'HTML to write; default RUN/report.html')
    .option('--data-dir <dir>', 'where MNIST and Fashion-MNIST lie')
    .option('--device <name>', 'auto, cpu, cuda or cuda:N', 'auto')
    .addHelpText(
      'after',
      `
Example:
  torchvae report runs/digits

The page holds all it shows, so that it can be sent and kept; it needs neither a network nor scripts. Where the run's data
cannot be opened any more, it says so and shows the rest.`,
    )
    .action(report);
}

async function report(path: string, { out = join(path, 'report.html'), ...flags }: Flags): Promise<void> {
  if (existsSync(join(path, STUDY_FILE))) {
    await writeFileAtomic(out, await studyPage(await Study.load(path)));
    process.stderr.write(`Wrote ${out}\n`);
    return;
  }
  const run = new RunDirectory(path);
  const config = await run.readConfig();
  const { settings } = settingsOf(path, config);
  const shown = await exhibits(run, flags, {
    ...settings,
    ...(flags.dataDir && { dataDir: flags.dataDir }),
  });
  const page = renderReport({
    title: `${modelTitle(config.spec)}, on ${basename(settings.data)}`,
    subtitle: subtitleOf(config),
    epochs: await run.readEpochs(),
    ...shown,
    facts: factsOf(config),
    commands: commandsOf(settings, config),
  });
  await writeFileAtomic(out, page);
  process.stderr.write(`Wrote ${out}\n`);
  for (const note of shown.notes) process.stderr.write(`warning: ${inFlags(note)}\n`);
}

/** Pictures of the model; where it or its data cannot be opened, those that training left, and a note that says why. */
async function exhibits(
  run: RunDirectory,
  { best, device }: Flags,
  settings: Parameters<typeof openRunData>[0],
): Promise<{ gallery: Exhibit[]; notes: string[] }> {
  try {
    using vae = await VAE.load(checkpointOf(run.path, best), { device });
    const { data, validation, test } = await openRunData(settings, vae.schema);
    return { gallery: await gallery(vae, await someOf(validation ?? test ?? data)), notes: [] };
  } catch (error) {
    if (!(error instanceof TorchvaeError)) throw error;
    const left = await picturesOf(run);
    const what = left.length > 0 ? 'Only the pictures that training left are shown' : 'There are no pictures';
    return { gallery: left, notes: [`${what}: ${error.message} [${error.code}]`] };
  }
}

/** What `torchvae train` drew when it ended. */
async function picturesOf(run: RunDirectory): Promise<Exhibit[]> {
  const names = [
    ['Reconstructions', 'reconstructions.png', 'Examples above, their reconstructions below.'],
    ['Samples', 'samples.png', 'Codes drawn from the prior, decoded.'],
  ] as const;
  const found: Exhibit[] = [];
  for (const [title, name, caption] of names) {
    const shown = await run.readPicture(name);
    if (shown) found.push({ title, caption, shown });
  }
  return found;
}
