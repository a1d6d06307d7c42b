import { basename } from 'node:path';
import { defined } from '../../check.ts';
import { badData, reopenFile, versionOf } from '../files/source.ts';
import { otherSchema } from '../learnable.ts';
import { TextLearner } from '../text/learner.ts';
import { blankNotes, type Lines, pieces } from '../text/lines.ts';
import type { TextRowsOptions } from '../text/rows.ts';
import { TextSchema, unknownNotes } from '../text/schema.ts';
import { openInOrder } from './in-order.ts';
import type { Part } from './part.ts';
import { type Iteration, SequentialReading } from './sequential.ts';
import { checkGoesOn, type ExampleBlock, type StreamDescription, type StreamSource } from './source.ts';

/** Lines of a piece. */
const TOGETHER = 1024;
/** Tokens of a piece's examples. */
const TOKENS_TOGETHER = 2 ** 20;

/**
 * The lines of a text file, read anew in every epoch from the beginning to the end. A first pass over all lines learns the schema, the same as in
 * memory; another looks for lines and tokens that it does not take, where there may be any.
 *
 * @param training gives the lines that the schema is learned from; it takes a pass that counts them
 * @throws TorchvaeError what `readLines`, `TextSchema.learn` and `TextSchema.encode` throw; ERR_ABORTED
 */
export async function openTextStream(
  path: string,
  { schema: given, ...learning }: TextRowsOptions,
  signal: AbortSignal,
  training?: (length: number) => Part,
): Promise<StreamSource> {
  if (given && !(given instanceof TextSchema)) throw otherSchema(path, 'text', given);
  const version = await versionOf(path);
  const visit = (see: (lines: Lines, rows: Uint32Array | undefined) => void, part?: Part) =>
    visitLines(path, signal, see, part);
  const part = training?.((await visit(() => {})).count);
  const learner = new TextLearner(path, defined(learning));
  const learn = ({ lines }: Lines, rows: Uint32Array | undefined) => {
    learner.add(rows ? Array.from(rows, (row) => lines[row]!) : lines);
    learner.measure(lines);
  };
  const learned = given ? undefined : await visit(learn, part);
  const schema = given ?? TextSchema.learned(learner);
  const how = defined({ onLong: learning.onLong });
  let unknown = 0;
  const check = (lines: Lines, rows: Uint32Array | undefined) => {
    const unseen = schema.encode(lines, how).cells?.unseen;
    if (unseen) for (const row of rows ?? unseen.keys()) unknown += unseen[row]!;
  };
  const found = learned === undefined || learner.mayExceed ? await visit(check, part) : learned;
  const description: StreamDescription = {
    name: basename(path),
    length: found.count,
    shape: [schema.size],
    kind: 'categorical',
    isBytes: false,
    isSequential: true,
    hasLabels: false,
    schema,
    notes: [
      ...blankNotes(found.count, found.last),
      ...(given ? [] : learner.notes),
      ...unknownNotes(unknown),
    ],
  };
  return {
    ...description,
    open: (request) =>
      openInOrder(description, request, async (first) => {
        await (await reopenFile(path, version)).close();
        const most = Math.max(1, Math.min(TOGETHER, Math.floor(TOKENS_TOGETHER / schema.size)));
        const pass = new LinePass(path, most, request.signal);
        return new SequentialReading(description, pass, encoded(pass, schema, how), first);
      }),
  };
}

/**
 * A pass over all lines.
 *
 * @param see gets each piece, and which of its lines belong to the part if there is one
 * @returns how many there are, and the number of the last in the file
 */
async function visitLines(
  path: string,
  signal: AbortSignal,
  see: (lines: Lines, rows: Uint32Array | undefined) => void,
  part: Part | undefined,
): Promise<{ count: number; last: number }> {
  let [count, last] = [0, 0];
  for await (const piece of new LinePass(path, TOGETHER, signal).pieces()) {
    const before = count;
    count += piece.lines.length;
    last = piece.numbers!.at(-1)!;
    see(piece, part?.rows(before, count));
  }
  if (count === 0) throw badData(path, 'expected at least one line that is not empty');
  return { count, last };
}

async function* encoded(
  pass: LinePass,
  schema: TextSchema,
  how: { onLong?: 'refuse' | 'cut' },
): AsyncGenerator<ExampleBlock> {
  for await (const piece of pass.pieces()) yield schema.encode(piece, how);
}

class LinePass implements Iteration {
  readonly #path: string;
  readonly #signal: AbortSignal;
  readonly #pieces: AsyncGenerator<Lines, void, undefined>;
  #line = 0;

  constructor(path: string, most: number, signal: AbortSignal) {
    this.#path = path;
    this.#signal = signal;
    this.#pieces = pieces(path, most);
  }

  /** What must hold of the file. */
  readonly advice = 'leave the file alone until the end';

  /** "line 5", for messages. */
  get place(): string {
    return `line ${this.#line}`;
  }

  async *pieces(): AsyncGenerator<Lines, void, undefined> {
    for await (const piece of this.#pieces) {
      checkGoesOn(this.#path, this.#signal);
      this.#line = piece.numbers!.at(-1)!;
      yield piece;
    }
  }

  close(): void {
    this.#pieces.return().catch(() => {});
  }
}
