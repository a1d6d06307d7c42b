import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { deserialize } from 'node:v8';
import { expect } from 'vitest';

/** The folder of this package. */
export const packageFolder = fileURLToPath(new URL('../..', import.meta.url));

/** How a process ended, and what it said. */
export interface Outcome {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

export interface CommandOptions {
  cwd?: string;
  /** Added to this process's variables; undefined takes one away. */
  env?: Record<string, string | undefined>;
  /** Milliseconds after which it is killed; default 55,000, less than a test may take. */
  timeout?: number;
  /** Called with the process as it starts. */
  onStart?: (child: ChildProcess) => void;
  /** Called with the process and all it has said on stderr so far. */
  onStderr?: (child: ChildProcess, stderr: string) => void;
}

/** Runs Node with these arguments. */
export function runNode(args: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, NODE_OPTIONS: undefined, ...options.env };
    const child = spawn(process.execPath, args, {
      cwd: options.cwd,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: options.timeout ?? 55_000,
      killSignal: 'SIGKILL',
    });
    options.onStart?.(child);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      options.onStderr?.(child, stderr);
    });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

/** Runs `torchvae` as a user does: the built command in a separate process. */
export function torchvae(args: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
  return runNode([fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url)), ...args], options);
}

/** What a program of modules, given as its text, prints as JSON: engines read their variables when a process begins. */
export async function jsonOf(program: string, env: Record<string, string>) {
  const { stdout, stderr, code } = await runNode(['--input-type=module', '-e', program], { env });
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout);
}

/**
 * What such a program has as `answer` at its end: typed arrays too, and many numbers faster than as JSON.
 */
export async function answerOf(program: string, env: Record<string, string>) {
  const print = "(await import('node:v8')).serialize(answer).toString('base64')";
  const args = ['--input-type=module', '-e', `${program}\nprocess.stdout.write(${print});`];
  const { stdout, stderr, code } = await runNode(args, { env });
  expect(code, stderr).toBe(0);
  return deserialize(Buffer.from(stdout, 'base64'));
}
