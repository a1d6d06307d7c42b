import { Dataset } from '../data/dataset.ts';
import type { StreamedDataset } from '../data/streamed-dataset.ts';
import { TorchvaeError } from '../errors.ts';
import type { Core } from '../model/core.ts';
import { lossesPerExample } from '../model/densities.ts';
import { checkData } from '../model/input.ts';
import type { Losses } from '../model/losses.ts';
import { countedBlock, countedRows, isTable } from '../model/odd-rows.ts';
import { evaluate } from './validation.ts';

/** Means of losses, and the examples that they are taken over. */
export interface CountedMeans<Data> {
  losses: Losses;
  counted: Data;
  /** Rows of a table that are not among them. */
  leftOut: number;
}

/**
 * Means over the examples that have an answer: a row of a table that cannot be read, or whose loss is not finite, is left out and counted,
 * instead of taking the others with it.
 *
 * @throws TorchvaeError as `evaluate` does; ERR_SHAPE, ERR_RANGE, ERR_TYPE for data that do not fit the model
 */
export async function countedMeans<Data extends Dataset | StreamedDataset>(
  core: Core,
  name: string,
  data: Data,
  seed: number,
): Promise<CountedMeans<Data>> {
  if (!(data instanceof Dataset)) return ofStream(core, name, data, seed);
  const rows = countedRows(core, data);
  checkData(name, rows, core.spec);
  return askFinite(core, rows, seed, async (counted) => ({
    losses: await evaluate(core, counted, seed),
    counted: counted as Data,
    leftOut: data.length - counted.length,
  }));
}

/**
 * What `ask` answers for the rows; where that is not finite, for the rows of a table whose loss is.
 *
 * @throws TorchvaeError ERR_NONFINITE where no row has a finite loss, or every row has, so that leaving rows out does not help
 */
export async function askFinite<T>(
  core: Core,
  rows: Dataset,
  seed: number,
  ask: (rows: Dataset) => Promise<T>,
): Promise<T> {
  try {
    return await ask(rows);
  } catch (error) {
    if (!(error instanceof TorchvaeError) || error.code !== 'ERR_NONFINITE' || !isTable(core, rows))
      throw error;
    const { reconstruction, kl } = await lossesPerExample(core, rows, { seed });
    const finite = Array.from(reconstruction.keys()).filter((i) =>
      Number.isFinite(reconstruction[i]! + kl[i]!),
    );
    if (finite.length === 0 || finite.length === rows.length) throw error;
    return ask(rows.subset(finite));
  }
}

async function ofStream<Data extends Dataset | StreamedDataset>(
  core: Core,
  name: string,
  data: Data,
  seed: number,
): Promise<CountedMeans<Data>> {
  checkData(name, data, core.spec);
  let leftOut = 0;
  const losses = await evaluate(core, data, seed, {
    keep: (block) => {
      const kept = countedBlock(core, block, data.size);
      leftOut += (block.data.length - (kept?.data.length ?? 0)) / data.size;
      return kept;
    },
  });
  return { losses, counted: data, leftOut };
}
