import { cifar } from './cifar.ts';
import { csv } from './csv.ts';
import type { Format } from './format.ts';
import { idx } from './idx.ts';
import { images } from './images.ts';
import { jsonl } from './jsonl.ts';
import { npy } from './npy.ts';
import { npz } from './npz.ts';
import { parquet } from './parquet.ts';
import { shards } from './shards.ts';
import { text } from './text.ts';

/** All formats; of several that detect themselves in a file or folder, the first is taken. */
export const FORMATS: readonly Format[] = [cifar, npy, npz, csv, jsonl, parquet, shards, text, images, idx];
