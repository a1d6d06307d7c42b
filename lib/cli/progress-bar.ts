import type { EpochResult, StepProgress } from '../training/fit.ts';

const BAR_WIDTH = 24;

/** Shows training: a bar that is drawn over itself on a terminal, a line an epoch elsewhere. */
export class ProgressBar {
  readonly #terminal = process.stderr.isTTY === true;

  update(progress: StepProgress): void {
    if (!this.#terminal) return;
    const { epoch, lastEpoch, stepInEpoch, stepsPerEpoch, stepsPerSecond, secondsLeft } = progress;
    const filled = Math.floor((BAR_WIDTH * stepInEpoch) / stepsPerEpoch);
    const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
    const text =
      `epoch ${epoch}/${lastEpoch} ${bar} ${terms(progress)}  ` +
      `${Math.round(stepsPerSecond)} steps/s  ${duration(secondsLeft)} left`;
    process.stderr.write(`\r\x1b[2K${text.slice(0, process.stderr.columns || 120)}`);
  }

  epochDone({ epoch, seconds, train, validation }: EpochResult): void {
    const test = validation ? `  |  test ${terms(validation)}` : '';
    process.stderr.write(
      `${this.#terminal ? '\r\x1b[2K' : ''}epoch ${epoch}  ${seconds.toFixed(1)} s  train ${terms(train)}${test}\n`,
    );
  }

  /** Leaves the line, so that what is printed next stands on its own. */
  close(): void {
    if (this.#terminal) process.stderr.write('\r\x1b[2K');
  }
}

function terms({ reconstruction, kl, elbo }: { reconstruction: number; kl: number; elbo: number }): string {
  return `reconstruction ${reconstruction.toFixed(2)}  kl ${kl.toFixed(2)}  elbo ${elbo.toFixed(2)}`;
}

function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  const whole = Math.ceil(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
