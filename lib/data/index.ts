export {
  type Binarization,
  type BinarizeOptions,
  type CellCounts,
  type DataKind,
  type DataSchema,
  Dataset,
  type DatasetOptions,
  type Factor,
  type FromOptions,
  type RecordOptions,
  type SplitOptions,
} from './dataset.ts';
export type { PixelOptions } from './examples/pixels.ts';
export type { Values } from './examples/values.ts';
export { type IdxArray, readIdx } from './formats/arrays/idx-file.ts';
export { type CifarOptions, loadCifar } from './formats/cifar.ts';
export type { CsvOptions } from './formats/csv/reader.ts';
export { type ImageFolderOptions, loadImageFolder } from './formats/images/folder.ts';
export type { NpzOptions } from './formats/npz.ts';
export {
  cellTexts,
  hasTestSet,
  type LearnedOptions,
  type LoadOptions,
  loadDataset,
  loadSplit,
  optionsOf,
  sizeInMemory,
} from './load.ts';
export { Random } from './random.ts';
export { schemaFromJson } from './schema.ts';
export { fashionMnist, type MnistOptions, mnist } from './sets/mnist.ts';
export { type SpritesOptions, sprites } from './sets/sprites.ts';
export { type StreamPathOptions, streamDataset, streamSplit } from './stream.ts';
export { StreamedDataset, type StreamOptions } from './streamed-dataset.ts';
export type { IterableOptions, StreamItems } from './streams/iterable.ts';
export type { ColumnType } from './tables/column-types.ts';
export {
  type ColumnSummary,
  TableSchema,
  type TableSchemaJson,
  type TableSchemaOptions,
} from './tables/schema.ts';
export type { TextSchemaOptions } from './text/learner.ts';
export { TextSchema, type TextSchemaJson } from './text/schema.ts';
