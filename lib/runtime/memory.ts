import { totalmem } from 'node:os';
import { types } from 'node:util';

/** Bytes that this process may use at most: the machine's, or its container's share of them. */
export function availableMemory(): number {
  const limit = process.constrainedMemory?.() ?? 0;
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

/** The values in memory that no other thread writes to: Node-API knows no other. */
export function unshared<T extends Float32Array | Uint8Array>(values: T): T {
  if (!types.isSharedArrayBuffer(values.buffer)) return values;
  return (types.isFloat32Array(values) ? new Float32Array(values) : new Uint8Array(values)) as T;
}
