import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** What the child is to open. */
export interface ProbeRequest {
  /** A folder with libtorch; without it, what training would find. */
  libtorch?: string;
  /** `auto` opens the CUDA half too where it can be used. */
  device: 'cpu' | 'auto';
}

/** What the child says. */
export interface ProbeAnswer {
  /** The engine's description of itself, if it opened. */
  info?: Record<string, unknown>;
  /** The libtorch that it opened. */
  root?: string;
  /** What was thrown, if it did not. */
  error?: { code: string; message: string };
}

/** A program that takes a {@link ProbeRequest} as JSON in its first argument and sends a {@link ProbeAnswer}. */
export const PROBE_SCRIPT = fileURLToPath(
  new URL(`./doctor-child${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url),
);

/** What the signals mean that broken libraries end a process with. */
const SIGNALS: Readonly<Record<string, string>> = {
  SIGABRT: 'a library gave up',
  SIGBUS: 'a library file is damaged or was changed while open',
  SIGILL: 'this processor lacks instructions that this build of libtorch uses',
  SIGKILL: 'killed from outside, most often for lack of memory',
  SIGSEGV: 'a library is damaged or does not fit the others',
};

/**
 * Opens the engine in a separate process, so that nothing it does can end this one. However the process ends, the
 * answer says so; this never throws.
 *
 * @param patience milliseconds until the process is given up
 */
export function probe(
  request: ProbeRequest,
  script = PROBE_SCRIPT,
  patience = 120_000,
): Promise<ProbeAnswer> {
  return new Promise((resolve) => {
    const child = fork(script, [JSON.stringify(request)], { silent: true, execArgv: [] });
    const timer = setTimeout(() => child.kill('SIGKILL'), patience);
    const started = performance.now();
    let answer: ProbeAnswer | undefined;
    let said = '';
    child.on('message', (message) => {
      answer = message as ProbeAnswer;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    child.stdout?.resume();
    child.on('error', (error) => resolve({ error: { code: 'ERR_INTERNAL', message: error.message } }));
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const late = performance.now() - started >= patience;
      resolve(answer ?? { error: { code: 'ERR_LIBTORCH', message: describeEnd(code, signal, late, said) } });
    });
  });
}

function describeEnd(code: number | null, signal: string | null, late: boolean, said: string): string {
  const meaning = signal && SIGNALS[signal] ? ` (${SIGNALS[signal]})` : '';
  const how = signal ? `was ended by ${signal}${meaning}` : `ended with exit code ${code}`;
  // A library's message is short; Node's begins with what matters.
  const words = said.trim().split('\n').slice(0, 12).join('\n');
  const what = late ? 'did not finish in time' : how;
  return `The process that opened libtorch ${what}${words ? `, saying:\n${words}` : ' without a word'}`;
}
