import { types } from 'node:util';
import { defined, expected } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';
import { Dataset } from '../dataset.ts';
import { type InvalidExamples, invalidIn, joinedInvalid, notesOnInvalid } from '../examples/invalid.ts';
import { kindWidth, NUMBER_KINDS } from '../examples/pixels.ts';
import { badData } from '../files/source.ts';
import { checkIterable, checkRecordOptions, type RecordOptions, RecordTable } from '../tables/records.ts';
import { TableSurvey } from '../tables/survey.ts';
import type { Table } from '../tables/table.ts';
import { openInOrder } from './in-order.ts';
import { SequentialReading } from './sequential.ts';
import { type ExampleBlock, type StreamDescription, type StreamSource, untilAborted } from './source.ts';

/** The items of a stream: records, or data sets as blocks of examples. */
export type StreamItems = Iterable<object> | AsyncIterable<object>;

/** How records are read, and what the stream is called. */
export type IterableOptions = RecordOptions;

/** Records that make one block. */
const TOGETHER = 1024;

/**
 * A stream of the items that `make` gives for every pass. The first pass is made here.
 *
 * @throws TorchvaeError as `StreamedDataset.from` does
 */
export async function openIterableStream(
  make: () => StreamItems,
  options: IterableOptions,
  signal: AbortSignal,
): Promise<StreamSource> {
  if (typeof make !== 'function') {
    throw new TorchvaeError('ERR_TYPE', expected('a function that begins an iteration', 'make', make));
  }
  const checked = checkRecordOptions('options of StreamedDataset.from', options);
  const items = new Items(make, checked.name, 0, signal);
  let found: { description: StreamDescription; blocks: BlocksOf };
  try {
    const first = await items.next();
    if (first === undefined) throw badData(checked.name, 'expected at least one record or data set');
    found =
      first instanceof Dataset
        ? await surveyDatasets(first, items, checked.name)
        : await surveyRecords(first, items, checked);
  } finally {
    items.close();
  }
  const { description, blocks } = found;
  return {
    ...description,
    open: (request) =>
      openInOrder(description, request, async (first) => {
        const pass = new Items(make, description.name, request.epoch, request.signal);
        return new SequentialReading(description, pass, blocks(pass, request.isHeldOut), first);
      }),
  };
}

/** What a pass over the items gives. */
type BlocksOf = (items: Items, isHeldOut: boolean | undefined) => AsyncIterable<ExampleBlock>;

/** One pass over the caller's items, which can end at any time. */
class Items {
  readonly #name: string;
  readonly #epoch: number;
  readonly #signal: AbortSignal;
  readonly #iterator: Iterator<unknown> | AsyncIterator<unknown>;
  #count = 0;

  constructor(make: () => StreamItems, name: string, epoch: number, signal: AbortSignal) {
    this.#name = name;
    this.#epoch = epoch;
    this.#signal = signal;
    const items = this.#guarded(make);
    checkIterable(items);
    const async = (items as AsyncIterable<unknown>)[Symbol.asyncIterator];
    this.#iterator = this.#guarded(() =>
      async ? async.call(items) : (items as Iterable<unknown>)[Symbol.iterator](),
    );
  }

  /** What must hold of the iterations. */
  readonly advice = 'the function must begin the same iteration anew each time';

  /** "item 5 of epoch 2", for messages. */
  get place(): string {
    return `item ${this.#count} of epoch ${this.#epoch + 1}`;
  }

  /** Undefined after the last. */
  async next(): Promise<object | undefined> {
    const turn = this.#guarded(() => this.#iterator.next());
    const isWaiting = typeof (turn as PromiseLike<unknown>).then === 'function';
    const { done, value } = isWaiting
      ? await untilAborted(
          Promise.resolve(turn).catch((cause) => this.#fail(cause)),
          this.#name,
          this.#signal,
        )
      : (turn as IteratorResult<unknown>);
    if (done) return undefined;
    if (typeof value !== 'object' || value === null) {
      throw new TorchvaeError(
        'ERR_TYPE',
        expected('a record or a Dataset', `${this.#name}, ${this.place}`, value),
      );
    }
    this.#count++;
    return value;
  }

  /** Ends the iteration, without waiting for its cleanup: it may be stuck. */
  close(): void {
    try {
      Promise.resolve(this.#iterator.return?.()).catch(() => {});
    } catch {
      // Nothing can be done about an error of the cleanup.
    }
  }

  #guarded<T>(action: () => T): T {
    try {
      return action();
    } catch (cause) {
      return this.#fail(cause);
    }
  }

  #fail(cause: unknown): never {
    if (cause instanceof TorchvaeError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TorchvaeError('ERR_IO', `Could not read ${this.#name}: ${this.place}: ${reason}`, { cause });
  }
}

async function surveyRecords(first: object, items: Items, options: ReturnType<typeof checkRecordOptions>) {
  const { name, schema: given, learning } = options;
  const encoding = defined({ onMissing: learning.onMissing, onUnknownLabel: 'other' as const });
  const survey = new TableSurvey(name, learning, given);
  for await (const table of tablesOf(first, items, new RecordTable(name, options))) survey.add(table);
  const { schema, reading, ...found } = survey.finish();
  const description: StreamDescription = {
    name,
    shape: [schema.size],
    isBytes: false,
    isSequential: true,
    schema,
    ...found,
  };
  return {
    description,
    blocks: async function* (pass: Items, isHeldOut?: boolean): AsyncGenerator<ExampleBlock> {
      const table = new RecordTable(name, { ...options, reading });
      const how = { ...encoding, ...(isHeldOut && { onUnseen: 'leave' as const }) };
      for await (const rows of tablesOf(undefined, pass, table)) yield reading.encode(rows, how);
    },
  };
}

/** The records as tables of {@link TOGETHER} rows; the last may have fewer. */
async function* tablesOf(
  first: object | undefined,
  items: Items,
  records: RecordTable,
): AsyncGenerator<Table> {
  for (let record = first ?? (await items.next()); record; record = await items.next()) {
    records.add(record);
    if (records.length === TOGETHER) yield records.build();
  }
  if (records.length > 0) yield records.build();
}

async function surveyDatasets(first: Dataset, items: Items, name: string) {
  let length = 0;
  let widest = 0;
  let isBytes = true;
  let invalid: InvalidExamples | undefined;
  for (let block: unknown = first; block; block = await items.next()) {
    checkLike(first, block, `${name}, ${items.place}`);
    invalid = joinedInvalid(invalid, invalidIn(block.data, block.size, length));
    length += block.length;
    isBytes &&= types.isUint8Array(block.data);
    widest = Math.max(widest, kindWidth(block.kind));
  }
  const description: StreamDescription = {
    name,
    length,
    shape: first.shape,
    kind: first.kind === 'categorical' ? 'categorical' : NUMBER_KINDS[widest]!,
    isBytes,
    isSequential: true,
    hasLabels: first.labels !== undefined,
    classes: first.classes,
    schema: first.schema,
    invalid,
    notes: notesOnInvalid(invalid, length),
  };
  return {
    description,
    blocks: async function* (pass: Items): AsyncGenerator<ExampleBlock> {
      for (let block = await pass.next(); block; block = await pass.next()) {
        const place = `${name}, ${pass.place}`;
        checkLike(first, block, place);
        const isWider = kindWidth(block.kind) > widest || (isBytes && !types.isUint8Array(block.data));
        if (isWider) {
          const what = `values of kind ${description.kind}, as in the first pass,`;
          throw badData(place, `expected ${what} but received ${block.describe()}`);
        }
        const { data, labels, cells } = block;
        const isScaled = isBytes || types.isFloat32Array(data);
        yield { data: isScaled ? data : Float32Array.from(data, (byte) => byte / 255), labels, cells };
      }
    },
  };
}

/** @throws TorchvaeError ERR_DATA_FORMAT unless the block has the description of `first` */
function checkLike(first: Dataset, block: unknown, place: string): asserts block is Dataset {
  if (!(block instanceof Dataset)) throw badData(place, expected('a Dataset, as the first is,', 'it', block));
  if (block.binarization === 'dynamic') {
    throw badData(
      place,
      'expected values as they are but received dynamic binarization; binarize the stream',
    );
  }
  const isLike =
    String(block.shape) === String(first.shape) &&
    (block.kind === 'categorical') === (first.kind === 'categorical') &&
    (block.labels === undefined) === (first.labels === undefined);
  if (isLike) return;
  const labels = ({ labels }: Dataset) => (labels ? ' with labels' : '');
  throw badData(
    place,
    `expected examples as the first ones (${first.describe()}${labels(first)}) but received ${block.describe()}${labels(block)}`,
  );
}
