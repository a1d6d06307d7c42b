import type { StreamSource } from '../../streams/source.ts';
import type { ImageFolderOptions } from '../images/folder.ts';
import { streamImages } from '../images/stream.ts';
import { blocksOf } from './blocks.ts';
import type { Opened } from './child.ts';
import { ParquetImages } from './images.ts';
import type { ParquetProcess } from './process.ts';

/**
 * The images of a Parquet file, decoded anew in every epoch; those of a row group come together.
 *
 * @param process that has opened the file
 * @param start gives another such process, which ends with the signal
 * @throws TorchvaeError as `loadDataset` does
 */
export async function openParquetImages(
  path: string,
  process: ParquetProcess,
  opened: Opened & { images: NonNullable<Opened['images']> },
  start: (signal: AbortSignal) => Promise<ParquetProcess>,
  { labelColumn, ...options }: ImageFolderOptions & { labelColumn?: string | undefined },
  signal: AbortSignal,
): Promise<StreamSource> {
  const images = new ParquetImages(path, opened, labelColumn);
  return streamImages(
    {
      name: path,
      find: async () => ({ ...(await images.find(process, () => {})), notes: [] }),
      read: images.reader(process),
    },
    {
      // Images that are skipped make the blocks smaller.
      blocksOf: ({ paths }) => {
        const counts = Array<number>(images.blocks.count).fill(0);
        for (const name of paths) counts[images.groupOf(name)]!++;
        return blocksOf(counts);
      },
      begin: async (request) => {
        const reader = await start(request.signal);
        return { read: images.reader(reader), close: () => reader.close() };
      },
    },
    options,
    signal,
  );
}
