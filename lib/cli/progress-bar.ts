import type { Losses } from '../model/losses.ts';
import type { EpochResult, StepProgress } from '../training/fit-options.ts';
import { inFlags } from './flags.ts';

const BAR_WIDTH = 24;

/** Shows training: a bar that is redrawn on a terminal, a line per epoch elsewhere. */
export class ProgressBar {
  readonly #terminal = process.stderr.isTTY === true;
  readonly #said = new Map<string, string | undefined>();

  update(progress: StepProgress): void {
    this.#sayExchange(progress);
    if (!this.#terminal) return;
    const { epoch, lastEpoch, stepInEpoch, stepsPerEpoch, stepsPerSecond, secondsLeft } = progress;
    const filled = Math.floor((BAR_WIDTH * stepInEpoch) / stepsPerEpoch);
    const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
    const text =
      `epoch ${epoch}/${lastEpoch} ${bar} ${terms(progress)}  ` +
      `${Math.round(stepsPerSecond)} steps/s  ${duration(secondsLeft)} left`;
    process.stderr.write(`\r\x1b[2K${text.slice(0, process.stderr.columns || 120)}`);
  }

  epochDone(result: EpochResult, judge: 'test' | 'validation'): void {
    const { epoch, seconds, train, validation, latentHealth } = result;
    const judged = validation ? `  |  ${judge} ${terms(validation)}` : '';
    const used = latentHealth ? `  |  z ${latentHealth.activeUnits}/${latentHealth.meanVariance.length}` : '';
    process.stderr.write(
      `${this.#terminal ? '\r\x1b[2K' : ''}epoch ${epoch}  ${seconds.toFixed(1)} s  train ${terms(train)}${judged}${used}\n`,
    );
    this.#warn(result);
  }

  /** How processes on GPUs exchange their gradients decides on how long a step takes. */
  #sayExchange({ exchange }: StepProgress): void {
    if (exchange === undefined || exchange === 'Gloo' || this.#said.has('exchange')) return;
    process.stderr.write(`Gradients are summed by ${exchange}\n`);
    this.#said.set('exchange', exchange);
  }

  /** Says what is wrong with updates, gradients and codes: once, until it changes. */
  #warn({ gradientHealth, latentHealth, skipped, skippedBecause }: EpochResult): void {
    const { verdict, layer, norm = 0, advice } = gradientHealth ?? {};
    const gradients =
      advice && `gradients are ${verdict} at ${layer} (norm of the whole ${norm.toPrecision(3)}); ${advice}`;
    const left = skipped && `${skipped} updates were left out this epoch: ${skippedBecause}`;
    this.#warnOf('updates', skippedBecause, left || undefined);
    this.#warnOf('gradients', verdict, gradients);
    this.#warnOf('codes', latentHealth?.alarm?.degree, latentHealth?.alarm?.message);
  }

  #warnOf(subject: string, state: string | undefined, message: string | undefined): void {
    if (message && this.#said.get(subject) !== state) process.stderr.write(`warning: ${inFlags(message)}\n`);
    this.#said.set(subject, state);
  }

  /** Leaves the line, so that what is printed next stands on its own. */
  close(): void {
    if (this.#terminal) process.stderr.write('\r\x1b[2K');
  }
}

function terms({ reconstruction, kl, elbo, loss }: Losses): string {
  const aim = elbo === undefined ? `loss ${loss.toFixed(2)}` : `elbo ${elbo.toFixed(2)}`;
  return `reconstruction ${reconstruction.toFixed(2)}  kl ${kl.toFixed(2)}  ${aim}`;
}

function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  const whole = Math.ceil(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
