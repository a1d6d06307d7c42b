export function gpuTable(): string;
export function withGpuTable(text: string): string;
