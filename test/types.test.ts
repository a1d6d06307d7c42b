/** What the compiler and an editor say of the public types. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { packageFolder } from './support/command.ts';

const tsc = join(packageFolder, 'node_modules/typescript/bin/tsc');

test('the types accept and refuse what test/types says', () => {
  const args = [tsc, '-p', join(packageFolder, 'test/types')];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  expect(stdout).toBe('');
  expect(status).toBe(0);
});

test('a hover shows the settings of each part', async () => {
  const hover = await hoverOf('dist/model/parts/likelihoods.d.ts', 'LikelihoodInput =');
  expect(hover).toContain("{\n    type: 'gaussian';\n    sigma?: number;\n    scale?: 'fixed' | 'learned'");
  const network = await hoverOf('dist/model/parts/networks.d.ts', 'NetworkSpecInput =');
  expect(network).toContain(
    "{\n    type?: 'mlp';\n    hidden?: readonly number[];\n    activation?: Activation;",
  );
  const spec = await hoverOf('dist/model/parts/likelihoods.d.ts', 'LikelihoodSpec =');
  expect(spec).toContain("{\n    type: 'gaussian';\n    sigma: number;\n");
});

/** The text that an editor shows where the mouse stands on `words` in a file. */
async function hoverOf(path: string, words: string): Promise<string> {
  const file = join(packageFolder, path);
  const text = readFileSync(file, 'utf8');
  const before = text.slice(0, text.indexOf(words)).split('\n');
  const position = { line: before.length - 1, character: before.at(-1)!.length };
  const server = spawn(process.execPath, [tsc, '--lsp', '--stdio'], { stdio: ['pipe', 'pipe', 'ignore'] });
  try {
    const textDocument = { uri: pathToFileURL(file).href };
    await request(server, 1, 'initialize', { processId: null, rootUri: null, capabilities: {} });
    send(server, { method: 'initialized', params: {} });
    const opened = { ...textDocument, languageId: 'typescript', version: 1, text };
    send(server, { method: 'textDocument/didOpen', params: { textDocument: opened } });
    const { contents } = await request(server, 2, 'textDocument/hover', { textDocument, position });
    return (contents as { value: string }).value;
  } finally {
    server.kill();
  }
}

type Message = { id?: number; method?: string; params?: unknown; result?: unknown };

/** A message of the language server protocol. */
function send({ stdin }: ChildProcess, message: Message): void {
  const body = JSON.stringify({ jsonrpc: '2.0', ...message });
  stdin!.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

async function request(server: ChildProcess, id: number, method: string, params: object) {
  send(server, { id, method, params });
  let bytes = Buffer.alloc(0);
  for await (const chunk of server.stdout!.iterator({ destroyOnReturn: false })) {
    bytes = Buffer.concat([bytes, chunk]);
    for (;;) {
      const end = bytes.indexOf('\r\n\r\n');
      const length = Number(
        /Content-Length: (\d+)/.exec(bytes.subarray(0, Math.max(0, end)).toString())?.[1],
      );
      if (end < 0 || bytes.length < end + 4 + length) break;
      const message: Message = JSON.parse(bytes.subarray(end + 4, end + 4 + length).toString());
      bytes = bytes.subarray(end + 4 + length);
      if (message.id === id && !message.method) return message.result as Record<string, unknown>;
      // What the server asks of an editor has no answer here.
      if (message.id !== undefined) send(server, { id: message.id, result: null });
    }
  }
  throw new Error(`The language server ended before it answered ${method}`);
}
