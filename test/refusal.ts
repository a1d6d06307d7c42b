import { type ErrorCode, TorchvaeError } from '../lib/errors.ts';

/** The message of the TorchvaeError with this code that `action` throws or rejects with; anything else is a failure. */
export async function refusal(code: ErrorCode, action: () => unknown): Promise<string> {
  try {
    await action();
  } catch (error) {
    if (error instanceof TorchvaeError && error.code === code) return error.message;
    throw error;
  }
  throw new Error(`Expected ${code} but nothing was thrown`);
}
