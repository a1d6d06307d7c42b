const MAX_REDIRECTS = 5;

/**
 * The successful response of an address. Every redirection must lead to `https:`, except on this machine. The body of any other
 * response is closed.
 *
 * @throws Error saying what the server did, what `fetch` throws
 */
export async function fetchSecure(
  url: string,
  signal: AbortSignal,
): Promise<Response & { body: NonNullable<Response['body']> }> {
  let address = url;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    checkSecure(address);
    // Redirections are followed here, so that every address is checked before it is requested.
    const response = await fetch(address, { redirect: 'manual', signal });
    if (response.ok && response.body) return response as Response & { body: typeof response.body };
    const location = response.headers.get('location');
    await response.body?.cancel();
    if (response.status < 300 || response.status >= 400 || location === null) {
      throw new Error(`the server answered ${response.status}`);
    }
    address = new URL(location, address).href;
  }
  throw new Error(`the server redirected more than ${MAX_REDIRECTS} times`);
}

/** Hashes guard the content already; this keeps what is fetched from being seen or swapped on the way. */
function checkSecure(address: string): void {
  const { protocol, hostname } = new URL(address);
  const loopback = hostname === 'localhost' || hostname === '127.0.0.1' || hostname === '[::1]';
  if (protocol !== 'https:' && !(protocol === 'http:' && loopback)) {
    throw new Error(`expected an https address but received ${address}`);
  }
}

/** fetch hides what happened, such as a refused connection, in the cause of its error. */
export function fetchTrouble(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error && /fetch failed|terminated/.test(message)
    ? cause.message || String(cause)
    : message;
}
