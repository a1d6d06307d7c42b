import { betaOf, type ObjectiveSpec, type Warmup } from '../model/parts/objectives.ts';
import type { PosteriorSpec } from '../model/parts/posteriors.ts';
import type { ModelSpec } from '../model/spec.ts';

/** beta, capacity and temperature at a step, as the engine takes them; at step Infinity, their final values. */
export function weightsAt({ objective, posterior }: ModelSpec, step: number): number[] {
  return [betaAt(objective, step), capacityAt(objective, step), temperatureAt(posterior, step)];
}

/** The step from which on {@link weightsAt} gives the final values. */
export function steadyFrom({ objective, posterior }: ModelSpec): number {
  const warmup = 'warmup' in objective ? objective.warmup : null;
  const capacity = 'capacity' in objective ? objective.capacity : null;
  const temperature = posterior.type === 'gumbel-softmax' ? posterior.temperatureSteps : 0;
  return Math.max(warmup?.steps ?? 0, capacity?.steps ?? 0, temperature);
}

/** beta at an optimizer step, counted from 0. */
export function betaAt(objective: ObjectiveSpec, step: number): number {
  const warmup = 'warmup' in objective ? objective.warmup : null;
  return betaOf(objective) * (warmup ? warmupAt(warmup, step) : 1);
}

function warmupAt({ shape, steps, cycles }: Required<Warmup>, step: number): number {
  switch (shape) {
    case 'linear':
      return Math.min(1, step / steps);
    case 'sigmoid':
      // From 0.7% at the first step over a half in the middle to 99.3% at the last.
      return step >= steps ? 1 : 1 / (1 + Math.exp(5 - (10 * step) / steps));
    case 'cyclical': {
      if (step >= steps) return 1;
      const position = ((step * cycles) / steps) % 1;
      return Math.min(1, 2 * position);
    }
  }
}

/** The nats that the divergence is held to at an optimizer step; 0 where the objective has no capacity. */
function capacityAt(objective: ObjectiveSpec, step: number): number {
  const capacity = 'capacity' in objective ? objective.capacity : null;
  if (!capacity) return 0;
  return capacity.from + (capacity.to - capacity.from) * Math.min(1, step / capacity.steps);
}

/** The temperature of a relaxed posterior at an optimizer step. */
function temperatureAt(posterior: PosteriorSpec, step: number): number {
  if (posterior.type !== 'gumbel-softmax') return 1;
  const { temperature, finalTemperature, temperatureSteps } = posterior;
  return temperature * (finalTemperature / temperature) ** Math.min(1, step / temperatureSteps);
}
