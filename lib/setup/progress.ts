import { TorchvaeError } from '../errors.ts';

/** What `setupLibtorch` is doing. */
export interface SetupProgress {
  /** `wait`: for another setup. `note`: something worth knowing that needs no action. */
  phase: 'wait' | 'download' | 'unpack' | 'note';
  /** One line for people, without figures that change. */
  message: string;
  /** Bytes done so far. */
  bytes?: number;
  /** Bytes in all, where known. */
  totalBytes?: number;
}

/** Receives progress, several times a second at most. */
export type OnProgress = (progress: SetupProgress) => void;

/** A size for people, in decimal units as download tools print them: `526.6 MB`. */
export function formatBytes(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(2)} GB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Throws ERR_ABORTED once the signal fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw new TorchvaeError(
      'ERR_ABORTED',
      'Setup was interrupted; nothing was installed. Run it again to finish.',
    );
  }
}
