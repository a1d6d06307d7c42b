/** What files hold, whatever their names, that were not downloaded as they should be. */
const DOWNLOADS: readonly (readonly [begin: RegExp, what: string])[] = [
  [/^version https:\/\/git-lfs\.github\.com\//, 'a pointer of Git LFS; fetch the file itself (git lfs pull)'],
  [
    /^(?:\u00ef\u00bb\u00bf)?\s*<(?:!doctype html|html)\b/i,
    'a page of HTML; download the file itself, or see what the page says',
  ],
];

/** What a file holds in place of what was to be downloaded, and what to do; undefined for others. */
export function strayDownload(start: Uint8Array): string | undefined {
  const text = Buffer.from(start.subarray(0, 512)).toString('latin1');
  return DOWNLOADS.find(([begin]) => begin.test(text))?.[1];
}
