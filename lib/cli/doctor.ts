import type { Command } from 'commander';
import { type DoctorReport, type Finding, runDoctor } from '../setup/doctor.ts';

const HELP = `
Reports the system, libtorch, the engine and CUDA, and what to do about problems. A separate process opens libtorch, so a
broken one is reported and cannot end the command. The exit code is 0 only if training can run.

Examples:
  $ torchvae doctor
  $ torchvae doctor --libtorch /opt/libtorch     this libtorch instead of the one that would be found
  $ torchvae doctor --json                       for a bug report, or a program`;

/** Adds `torchvae doctor`. */
export function register(program: Command): void {
  program
    .command('doctor')
    .description('Say whether training can run here, and what to do if not.')
    .option('--libtorch <folder>', 'examine this libtorch')
    .option('--json', 'print JSON')
    .addHelpText('after', HELP)
    .action(async ({ libtorch, json }: { libtorch?: string; json?: boolean }) => {
      const report = await runDoctor(libtorch === undefined ? {} : { libtorch });
      console.log(json ? JSON.stringify(report, null, 2) : formatReport(report));
      if (!report.ok) process.exitCode = 1;
    });
}

const MARKS: Readonly<Record<Finding['status'], string>> = { ok: ' ', warning: '!', error: 'x' };

/** The report as lines for people: findings, what the engine says of itself, what to do. */
export function formatReport({ ok, findings, engine, advice }: DoctorReport): string {
  const rows = findings.map(({ name, status, value }) => row(MARKS[status], name, value));
  const details = Object.entries(flatten(engine ?? {})).map(([name, value]) => row(' ', name, value));
  const steps = advice.map((line, i) => `  ${i + 1}. ${line}`);
  return [
    ...rows,
    ...(details.length > 0 ? ['', 'What the engine says:', ...details] : []),
    '',
    ok ? 'Training can run.' : 'Training cannot run yet.',
    ...(steps.length > 0 ? ['What to do:', ...steps] : []),
  ].join('\n');
}

const NAME_WIDTH = 18;

function row(mark: string, name: string, value: string): string {
  return `${mark} ${name.padEnd(NAME_WIDTH)} ${value.replaceAll('\n', `\n${' '.repeat(NAME_WIDTH + 3)}`)}`;
}

/** Nested objects as dotted names, whatever keys the engine has: `cuda.available`. */
function flatten(value: Record<string, unknown>, prefix = ''): Record<string, string> {
  const entries = Object.entries(value).flatMap(([key, item]) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.entries(flatten(item as Record<string, unknown>, `${prefix}${key}.`))
      : [[`${prefix}${key}`, describe(item)] as [string, string]],
  );
  return Object.fromEntries(entries);
}

function describe(item: unknown): string {
  if (Array.isArray(item)) return item.map(describe).join(', ') || 'none';
  return typeof item === 'object' && item !== null ? JSON.stringify(item) : String(item);
}
