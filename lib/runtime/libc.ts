/** The oldest glibc that torchvae's binaries and libtorch's own run with: manylinux_2_28. */
export const NEEDED_GLIBC = '2.28';

/** The version of the glibc that this process runs with, such as `2.36`; undefined where there is none, as with musl. */
export function glibcVersion(): string | undefined {
  const report = process.report as typeof process.report & { excludeNetwork?: boolean };
  // Or the report asks for the name of every open connection, which can take long.
  const { excludeNetwork } = report;
  report.excludeNetwork = true;
  const { header } = report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  if (excludeNetwork !== undefined) report.excludeNetwork = excludeNetwork;
  return header.glibcVersionRuntime;
}

/** Whether this glibc will do. */
export function isRecentGlibc(version: string | undefined): boolean {
  return version !== undefined && version.localeCompare(NEEDED_GLIBC, 'en', { numeric: true }) >= 0;
}
