import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Dataset } from '../data/index.ts';
import { isImage, reconstructionPicture, samplePicture } from '../report/gallery.ts';
import type { RunDirectory } from '../report/run-directory.ts';
import { TensorBoardWriter } from '../report/tensorboard/writer.ts';
import type { EpochResult } from '../training/fit-options.ts';
import type { VAE } from '../vae.ts';

/**
 * The writer of `RUN/tensorboard`; undefined where --tensorboard was not given, now or before the run was resumed.
 */
export function openBoard(run: RunDirectory, isAsked: boolean, { step }: VAE): TensorBoardWriter | undefined {
  const directory = join(run.path, 'tensorboard');
  if (!isAsked && !existsSync(directory)) return undefined;
  // An epoch whose checkpoint was not written before a kill is trained again.
  return new TensorBoardWriter(directory, { from: step + 1 });
}

/** An epoch: losses, health, weights, and pictures where the data are images. */
export async function writeEpoch(
  board: TensorBoardWriter,
  vae: VAE,
  result: EpochResult,
  shown: { data: Dataset; judge: 'test' | 'validation' },
): Promise<void> {
  const { step, train, validation, learningRate, gradientHealth, latentHealth, skipped } = result;
  const scalars: Record<string, number | undefined> = {
    'learning rate': learningRate,
    'updates left out': skipped,
  };
  for (const [part, losses] of Object.entries({ train, [shown.judge]: validation })) {
    const { loss, reconstruction, kl, elbo } = losses ?? {};
    for (const [term, value] of Object.entries({ loss, reconstruction, kl, elbo }))
      scalars[`${term}/${part}`] = value;
  }
  for (const { name, gradient } of gradientHealth?.layers ?? []) scalars[`gradient norm/${name}`] = gradient;
  scalars['gradient norm/whole'] = gradientHealth?.norm;
  scalars['codes/active dimensions'] = latentHealth?.activeUnits;
  scalars['codes/mutual information'] = latentHealth?.mutualInformation;
  for (const [tag, value] of Object.entries(scalars))
    if (value !== undefined) await board.scalar(tag, step, value);
  if (latentHealth) await board.histogram('codes/KL per dimension', step, latentHealth.klPerDimension);
  for (const [name, { data }] of await vae.parameters()) await board.histogram(`weights/${name}`, step, data);
  if (!isImage(shown.data)) return;
  await board.image('reconstructions', step, await reconstructionPicture(vae, shown.data));
  await board.image('samples', step, await samplePicture(vae, shown.data.shape));
}
