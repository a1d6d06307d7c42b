import { TorchvaeError } from './errors.ts';

/**
 * sharp, which is installed beside torchvae by those who need it.
 *
 * @param purpose what it is wanted for, such as `Images are decoded`
 * @throws TorchvaeError ERR_STATE where it cannot be loaded
 */
export async function loadSharp(purpose: string): Promise<typeof import('sharp')['default']> {
  try {
    return (await import('sharp')).default;
  } catch (cause) {
    const [reason] = (cause as Error).message.split('\n');
    const message = `${purpose} by the package sharp, which could not be loaded (${reason})`;
    throw new TorchvaeError('ERR_STATE', `${message}. Install it: npm install sharp`, { cause });
  }
}
