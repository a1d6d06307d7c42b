import { lengthsAsBlocks, type StreamSource } from '../../streams/source.ts';
import type { ImageSource } from '../images/decoder.ts';
import type { ImageFolderOptions } from '../images/folder.ts';
import { joinedImages } from '../images/join.ts';
import { streamImages } from '../images/stream.ts';
import type { Opened } from './child.ts';
import type { ImageRows } from './file.ts';
import { type AskGroup, ParquetImages } from './images.ts';

/** Answers questions about the row groups of all files. */
export interface GroupReader {
  ask: AskGroup;
  close(): Promise<void>;
}

/**
 * The images of Parquet files, decoded anew in every epoch; those of a row group come together.
 *
 * @param opened of each file
 * @param start gives another reader, which ends with the signal
 * @throws TorchvaeError as `loadDataset` does
 */
export async function openParquetImages(
  { name, paths, notes }: { name: string; paths: readonly string[]; notes: readonly string[] },
  reader: GroupReader,
  opened: readonly { groupRows: readonly number[]; images: NonNullable<Opened['images']> }[],
  start: (signal: AbortSignal) => Promise<GroupReader>,
  { labelColumn, ...options }: ImageFolderOptions & { labelColumn?: string | undefined },
  signal: AbortSignal,
): Promise<StreamSource> {
  const files = opened.map((file, i) => new ParquetImages(paths[i]!, file, labelColumn));
  /** The place of each file's first row group among those of all. */
  const firsts = lengthsAsBlocks(files.map(({ blocks }) => blocks.count));
  /** The file of each image, by the name that messages call it. */
  const owners = new Map<string, number>();
  const placeOf = (image: string) => {
    const file = owners.get(image)!;
    const { group, index } = files[file]!.placeOf(image);
    return { file, group, index, block: firsts.start(file) + group };
  };
  const asker = (from: GroupReader, file: number): AskGroup => {
    return (group, request) => from.ask(firsts.start(file) + group, request);
  };
  /** Gives the bytes of images, best in their order: the row group that was read last is kept. */
  const bytesOf = (from: GroupReader): ImageSource['read'] => {
    let last = -1;
    let rows: Promise<ImageRows>;
    return async (image) => {
      const { file, group, index, block } = placeOf(image);
      if (block !== last) {
        last = block;
        rows = files[file]!.rows(asker(from, file), group);
      }
      return (await rows).bytes[index]!;
    };
  };
  const read = bytesOf(reader);
  const sources = files.map((images, file): ImageSource => {
    const find = async () => {
      const found = await images.find(asker(reader, file), (image) => owners.set(image, file));
      return { ...found, notes: [] };
    };
    return { name: paths[file]!, find, read };
  });
  return streamImages(
    joinedImages(name, sources, notes),
    {
      // Images that are skipped make the blocks smaller.
      blocksOf: (found) => {
        const counts = Array<number>(firsts.length).fill(0);
        for (const image of found.paths) counts[placeOf(image).block]!++;
        return lengthsAsBlocks(counts);
      },
      begin: async (request) => {
        const again = await start(request.signal);
        return { read: bytesOf(again), close: () => again.close() };
      },
    },
    options,
    signal,
  );
}
