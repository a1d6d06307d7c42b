// The line protocol between main.ts and the programs it compares. A program prints one JSON line after its first
// training step and then answers each line `go SECONDS` with one JSON line; the end of its input ends it.
//   {"ready":1, "loss0", "info":{}}     or     {"error": "why it cannot run"}
//   {"steps", "secs", "mean_ms", "med_ms", "min_ms", "loss", "total", "rss"}
// Times are wall-clock milliseconds a step, the loss is in nats an example, rss is the peak memory in MB.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** Peak resident memory of this process in MB; 0 where the system does not say. */
function peakMemory() {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
  } catch {
    return 0;
  }
}

/** Prints why this program cannot run what was asked for, and ends it. */
export function refuse(error) {
  console.log(JSON.stringify({ error: String(error?.message ?? error).slice(0, 300) }));
  process.exit(1);
}

/**
 * Answers until the input ends.
 *
 * @param train (seconds) => {steps, loss, laps}: trains until `seconds` have passed, for one step at least. `laps` is
 * [steps, milliseconds] for each stretch that was timed on its own.
 */
export async function serve(train, info = {}) {
  const first = await train(0);
  console.log(JSON.stringify({ ready: 1, loss0: first.loss, info }));
  let total = first.steps;
  for await (const line of createInterface({ input: process.stdin })) {
    const [command, seconds] = line.trim().split(' ');
    if (command !== 'go') break;
    const started = performance.now();
    const { steps, loss, laps } = await train(Number(seconds));
    const time = performance.now() - started;
    total += steps;
    const each = laps.map(([count, milliseconds]) => milliseconds / count).sort((a, b) => a - b);
    console.log(
      JSON.stringify({
        steps,
        secs: time / 1000,
        mean_ms: time / steps,
        med_ms: each[each.length >> 1],
        min_ms: each[0],
        loss,
        total,
        rss: peakMemory(),
      }),
    );
  }
  process.exit(0);
}

/** For programs that step one batch at a time: `step()` returns the batch's loss an example. */
export function stepByStep(step) {
  return async (seconds) => {
    const laps = [];
    const started = performance.now();
    let [last, loss] = [started, 0];
    do {
      loss += await step();
      const now = performance.now();
      laps.push([1, now - last]);
      last = now;
    } while (last - started < seconds * 1000);
    return { steps: laps.length, loss: loss / laps.length, laps };
  };
}

/** Batches of `size` rows of 784 bytes as floats in [0, 1], in a new order every epoch; the last partial one is dropped. */
export function* batches(bytes, size) {
  const rows = Math.floor(bytes.length / 784);
  const order = Uint32Array.from({ length: rows }, (_, i) => i);
  const batch = new Float32Array(size * 784);
  for (;;) {
    for (let i = rows - 1; i > 0; i--) {
      const j = Math.floor(Math.random() * (i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    for (let first = 0; first + size <= rows; first += size) {
      for (let row = 0; row < size; row++) {
        const from = order[first + row] * 784;
        for (let i = 0; i < 784; i++) batch[row * 784 + i] = bytes[from + i] / 255;
      }
      yield batch;
    }
  }
}
