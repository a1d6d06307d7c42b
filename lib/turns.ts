import { setImmediate } from 'node:timers/promises';

/** Milliseconds of work on JavaScript's thread after which others get a turn: too short to be felt, too long to cost. */
const SLICE = 10;

/** Divides long work on JavaScript's thread, so that timers, sockets and promises get their turns in between. */
export class Turns {
  #began = performance.now();

  /** Gives others a turn where the last one is long enough ago. */
  async pause(): Promise<void> {
    if (performance.now() - this.#began < SLICE) return;
    await setImmediate();
    this.#began = performance.now();
  }
}
