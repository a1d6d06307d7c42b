import { types } from 'node:util';
import {
  categoryName,
  type Decimal,
  isCode,
  isLong,
  numberIn,
  PRECISIONS,
  type Precision,
  plainNumberIn,
  type Time,
  timeIn,
  timeOf,
  timeText,
} from './cells.ts';
import { type ColumnType, isPandasIndex } from './column-types.ts';
import { option } from './learning.ts';
import type { MissingValues } from './missing.ts';
import { AS_ASKED, type Column, type LeftOut } from './table.ts';

/** More different words are no categories, and would fill the memory. */
const MAX_WORDS = 2 ** 20;

const SAY = 'say in `columns` which type the column has';

/** How cells are read. */
export interface CellOptions {
  readonly decimal: Decimal;
  readonly missing: MissingValues;
  /** Whether cells of another type than the given one are kept as unreadable, and infinite numbers as they are. */
  readonly isLenient: boolean;
}

/** Takes the cells of one column, and finds out what they are. */
export class ColumnBuilder {
  readonly name: string;
  readonly #given: ColumnType | undefined;
  readonly #decimal: Decimal;
  readonly #missing: MissingValues;
  readonly #isLenient: boolean;
  /** What is wrong with the cells of rows; undefined where the first such cell is refused. */
  readonly #unreadable: Map<number, string> | undefined;
  /** Undefined as long as all cells are missing. */
  #type: 'numeric' | 'date' | 'categorical' | undefined;
  #values: Float64Array | Int32Array = new Float64Array(64);
  #length = 0;
  /** Whether a number had more digits than a float64 holds, so that its name is lost. */
  #isInexact = false;
  #precision: Precision = PRECISIONS[0];
  readonly #codes = new Map<string, number>();

  constructor(name: string, given: ColumnType | undefined, { decimal, isLenient, missing }: CellOptions) {
    this.name = name;
    this.#given = given;
    this.#decimal = decimal;
    this.#missing = missing;
    this.#isLenient = isLenient;
    this.#unreadable = isLenient && (given === 'numeric' || given === 'date') ? new Map() : undefined;
    if (given === 'categorical') this.#values = new Int32Array(64);
    if (given !== 'ignore') this.#type = given;
  }

  /** Whether a text that shows a number in the usual form is one, whatever came before. */
  get #takesPlain(): boolean {
    const isNumeric = this.#type === undefined || this.#type === 'numeric';
    return isNumeric && this.#decimal === '.' && !this.#missing.hasNumbers;
  }

  /** Returns what is wrong with the cell, or undefined. */
  add(cell: unknown): string | undefined {
    if (this.#given === 'ignore') return undefined;
    if (this.#length === this.#values.length) this.#grow();
    const at = this.#length++;
    if (this.#takesPlain && typeof cell === 'string') {
      const value = plainNumberIn(cell);
      if (value !== undefined) {
        this.#type = 'numeric';
        this.#values[at] = value;
        return undefined;
      }
    }
    if (this.#missing.has(cell)) {
      this.#values[at] = this.#type === 'categorical' ? -1 : Number.NaN;
      return undefined;
    }
    if (!isCell(cell) && this.#isLenient && this.#given !== undefined) return this.#keepOdd(cell, at);
    if (!isCell(cell))
      return `expected a number, a text, a truth value, a date or null but received ${typeof cell}; give its values keys of the row, or ignore the column (${option(this.name, 'ignore')})`;
    if (this.#type !== 'categorical') {
      const taken = this.#type === 'date' ? this.#takeDate(cell, at) : this.#takeNumber(cell, at);
      if (taken !== false) return taken;
      if (this.#type === undefined && this.#takeDate(cell, at) !== false) return undefined;
      if (this.#given) return this.#refuse(cell, at);
      if (this.#isInexact) return `expected a number, as before, but received ${shown(cell)}; ${SAY}`;
      this.#becomeCategorical(at);
    }
    const name = types.isDate(cell) ? timeTextOf(timeOf(cell)) : categoryName(cell, this.#decimal);
    this.#values[at] = this.#code(name);
    if (this.#codes.size <= MAX_WORDS) return undefined;
    return `expected at most ${MAX_WORDS} different words; ignore the column`;
  }

  /** @param isUnnamed whether the column is left out if it counts the rows or is empty */
  build(isUnnamed: boolean): Column | LeftOut {
    const { name } = this;
    if (this.#given === 'ignore') {
      return { name, reason: isPandasIndex(name) ? 'it is the index of pandas' : AS_ASKED };
    }
    const values = this.#values.slice(0, this.#length);
    if (isUnnamed && this.#given === undefined) {
      if (this.#type === undefined) return { name, reason: 'it has no name and no values' };
      if (this.#type === 'numeric' && countsRows(values)) {
        return { name, reason: 'it has no name and numbers the rows' };
      }
      if (this.#type === 'categorical' && this.#codes.size > 1 && this.#codes.size === this.#length) {
        return { name, reason: 'it has no name and names the rows' };
      }
    }
    if (types.isFloat64Array(values)) {
      const odd = this.#unreadable?.size ? { unreadable: this.#unreadable } : {};
      if (this.#type === 'date') return { name, type: 'date', values, precision: this.#precision, ...odd };
      return { name, type: 'numeric', values, ...odd };
    }
    const categories = [...this.#codes.keys()];
    return { name, type: 'categorical', values, categories, isGiven: this.#given !== undefined };
  }

  /** Returns what is wrong with the cell, or false where it is no number. */
  #takeNumber(cell: string | number | bigint | boolean | Date, at: number): string | undefined | false {
    const value = this.#number(cell);
    if (value === undefined) return false;
    if (!Number.isFinite(value) && !this.#unreadable) {
      return `expected a finite number but received ${cell}; leave the row out, or add the text to \`missing\``;
    }
    this.#type = 'numeric';
    this.#values[at] = value;
    return undefined;
  }

  /** Returns what is wrong with a cell of another type than the given one, unless it is kept as unreadable. */
  #refuse(cell: string | number | bigint | boolean | Date, at: number): string | undefined {
    const trouble = `expected a ${this.#given === 'date' ? 'date in ISO 8601' : 'number'} but received ${shown(cell)}`;
    this.#values[at] = Number.NaN;
    return this.#unreadable ? void this.#unreadable.set(at, trouble) : trouble;
  }

  /** Keeps a value that no cell can be as unreadable, or as a category that no training row has. */
  #keepOdd(cell: unknown, at: number): undefined {
    const name = `(${Array.isArray(cell) ? 'list' : typeof cell})`;
    this.#values[at] = this.#unreadable ? Number.NaN : this.#code(name);
    this.#unreadable?.set(
      at,
      `expected a ${this.#given === 'date' ? 'date' : 'number'} but received a value of type ${name}`,
    );
    return undefined;
  }

  #takeDate(cell: string | number | bigint | boolean | Date, at: number): undefined | false {
    const time = typeof cell === 'string' ? timeIn(cell) : types.isDate(cell) ? timeOf(cell) : undefined;
    if (!time) return false;
    this.#type = 'date';
    this.#values[at] = time.seconds;
    if (PRECISIONS.indexOf(time.precision) > PRECISIONS.indexOf(this.#precision))
      this.#precision = time.precision;
    return undefined;
  }

  #number(cell: string | number | bigint | boolean | Date): number | undefined {
    if (typeof cell === 'number') return cell;
    if (typeof cell === 'bigint') return Number(cell);
    const isNumeric = this.#given === 'numeric';
    if (typeof cell === 'boolean') return isNumeric ? Number(cell) : undefined;
    if (types.isDate(cell)) return undefined;
    if (!isNumeric && isCode(cell)) return undefined;
    if (!isNumeric && isLong(cell)) this.#isInexact = true;
    return numberIn(cell, this.#decimal);
  }

  #code(name: string): number {
    const known = this.#codes.get(name);
    if (known !== undefined) return known;
    this.#codes.set(name, this.#codes.size);
    return this.#codes.size - 1;
  }

  /** The numbers or dates before `end` become names. */
  #becomeCategorical(end: number): void {
    const values = this.#values;
    const nameOf = (value: number) =>
      this.#type === 'date' ? timeTextOf({ seconds: value, precision: this.#precision }) : String(value);
    this.#values = new Int32Array(values.length);
    for (let i = 0; i < end; i++) {
      this.#values[i] = Number.isNaN(values[i]!) ? -1 : this.#code(nameOf(values[i]!));
    }
    this.#type = 'categorical';
  }

  #grow(): void {
    const larger = new (this.#values.constructor as typeof Float64Array)(2 * this.#values.length);
    larger.set(this.#values);
    this.#values = larger;
  }
}

function isCell(cell: unknown): cell is string | number | bigint | boolean | Date {
  return ['string', 'number', 'bigint', 'boolean'].includes(typeof cell) || types.isDate(cell);
}

function shown(cell: string | number | bigint | boolean | Date): string {
  return JSON.stringify(String(cell).slice(0, 60));
}

function timeTextOf({ seconds, precision }: Time): string {
  return timeText(seconds, precision);
}

/** Whether these are different whole numbers, as an index has, in whatever order. */
function countsRows(values: Float64Array | Int32Array): boolean {
  const found = new Set<number>();
  for (const value of values) {
    if (!Number.isInteger(value)) return false;
    found.add(value);
  }
  return found.size === values.length;
}
