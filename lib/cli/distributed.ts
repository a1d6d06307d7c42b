import { existsSync } from 'node:fs';
import { RunDirectory } from '../report/run-directory.ts';
import { rankPlace } from '../training/ranks/place.ts';

/** The flags of `torchvae train` that say which processes train together. */
export interface DistributedFlags {
  distributed: 'auto' | 'off';
  distributedTimeout?: number;
  out?: string;
  resume?: boolean;
}

/** What this process is among those that train one model together. */
export interface Role {
  /** Processes in all; 1 for one that is alone. */
  size: number;
  /** Whether it writes the run directory and says how training goes. */
  leads: boolean;
}

/** @throws TorchvaeError ERR_DISTRIBUTED for an environment that does not fit together */
export function roleOf({ distributed }: DistributedFlags): Role {
  const place = distributed === 'auto' ? rankPlace() : undefined;
  return { size: place?.size ?? 1, leads: place === undefined || place.rank === 0 };
}

/**
 * Whether the run goes on from its checkpoint: where that is asked for, and where torchrun has started all processes anew, by the same
 * command, since one was lost.
 */
export function resumes({ resume = false, out }: DistributedFlags, { size }: Role): boolean {
  const isRestarted = size > 1 && Number(process.env.TORCHELASTIC_RESTART_COUNT ?? 0) > 0;
  return resume || (isRestarted && out !== undefined && existsSync(new RunDirectory(out).checkpoint));
}
