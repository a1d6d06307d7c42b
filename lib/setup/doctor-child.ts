/**
 * Opens the engine as training would, and sends its description to the parent. It is a separate program, because a libtorch that
 * does not fit can end the process without a message.
 */
import type { ProbeAnswer, ProbeRequest } from './probe.ts';

async function answer(request: ProbeRequest): Promise<ProbeAnswer> {
  try {
    // Imported here, so that an addon that cannot even be imported is an answer too.
    const { loadEngine } = await import('../runtime/addon.ts');
    const { info, libtorch } = loadEngine(request);
    return { info: { ...info }, root: libtorch.root };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { error: { code: code ?? 'ERR_INTERNAL', message } };
  }
}

// The engine's threads would keep this process alive.
process.send?.(await answer(JSON.parse(process.argv[2]!)), () => process.exit(0));
