import { describeValue, expected } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';

/** Where a process stands among those that train one model together, and where they meet. */
export interface RankPlace {
  /** Of this process, from 0. */
  readonly rank: number;
  /** Processes in all, at least 2. */
  readonly size: number;
  readonly host: string;
  readonly port: number;
  /** Whether the launcher serves the meeting already; else rank 0 does. */
  readonly isServed: boolean;
  /** Of the meeting's keys: one that a launcher serves has several meetings, one after the other. */
  readonly prefix: string;
  /** By what they exchange what lies on GPUs: `auto` is NCCL where it can serve. */
  readonly by: 'auto' | 'gloo' | 'nccl';
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What torchrun and its like say by `RANK`, `WORLD_SIZE`, `MASTER_ADDR` and `MASTER_PORT`, and the user by `TORCHVAE_RANKS_BY`; undefined
 * for a process that is alone.
 *
 * @throws TorchvaeError ERR_DISTRIBUTED for values that do not fit together
 */
export function rankPlace(environment: Environment = process.env): RankPlace | undefined {
  if (!environment.WORLD_SIZE) return undefined;
  const size = integerOf(environment, 'WORLD_SIZE', 1, 1 << 20);
  if (size === 1) return undefined;
  const host = environment.MASTER_ADDR;
  if (!host) throw missing('MASTER_ADDR', 'the name or address of the machine of rank 0', size);
  return {
    rank: integerOf(environment, 'RANK', 0, size - 1, size),
    size,
    host,
    port: integerOf(environment, 'MASTER_PORT', 1, 65535, size),
    isServed: environment.TORCHELASTIC_USE_AGENT_STORE === 'True',
    prefix: `attempt-${environment.TORCHELASTIC_RESTART_COUNT ?? 0}`,
    by: exchangeOf(environment),
  };
}

function exchangeOf({ TORCHVAE_RANKS_BY: by = 'auto' }: Environment): RankPlace['by'] {
  if (by === 'auto' || by === 'gloo' || by === 'nccl') return by;
  throw new TorchvaeError(
    'ERR_DISTRIBUTED',
    expected("'auto', 'gloo' or 'nccl'", 'the environment variable TORCHVAE_RANKS_BY', by),
  );
}

function integerOf(environment: Environment, name: string, min: number, max: number, size = 0): number {
  const text = environment[name];
  const range = `a whole number from ${min} to ${max}`;
  if (!text) throw missing(name, range, size);
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  const beside = size > 0 ? `, as WORLD_SIZE is ${size},` : '';
  throw new TorchvaeError(
    'ERR_DISTRIBUTED',
    `Expected ${range}${beside} for the environment variable ${name} but received ${describeValue(text)}`,
  );
}

function missing(name: string, what: string, size: number): TorchvaeError {
  return new TorchvaeError(
    'ERR_DISTRIBUTED',
    `Expected ${what} for the environment variable ${name}, as WORLD_SIZE is ${size}, but it is not set; start the processes ` +
      `by torchrun, set what it sets, or train with distributed: 'off'`,
  );
}
