import type { ColumnMetaData } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';

/** Deflate's best ratio; the limit for all codecs where a page is larger than {@link ANY_PAGE}. */
const MAX_RATIO = 1032;
/** Bytes that any compressed page may unpack to: writers make pages of about 1 MiB. */
const ANY_PAGE = 1 << 24;

/**
 * Validates the page headers of a column with the bytes of the chunk and the number of its values, before the parser allocates
 * anything of the stated sizes.
 *
 * @param bytes the column's chunk of a row group
 * @param wanted the number of its values, at least one a row
 * @throws Error that names the page
 */
export function checkPages(bytes: ArrayBuffer, { codec }: ColumnMetaData, wanted: number): void {
  const reader = { view: new DataView(bytes), offset: 0 };
  let values = 0;
  while (values < wanted && reader.offset < bytes.byteLength - 1) {
    const start = reader.offset;
    const header = parquetHeader(reader);
    const { type, compressed_page_size: packed, uncompressed_page_size: unpacked } = header;
    const place = `the page at offset ${start} of its chunk`;
    if (!isSize(packed, bytes.byteLength - reader.offset)) throw new Error(`${place} ends beyond it`);
    const most = codec === 'UNCOMPRESSED' ? packed : Math.max(ANY_PAGE, packed * MAX_RATIO);
    if (!isSize(unpacked, most))
      throw new Error(`${place} promises ${unpacked} bytes of ${packed} packed ones`);
    const count =
      header.data_page_header?.num_values ??
      header.data_page_header_v2?.num_values ??
      header.dictionary_page_header?.num_values;
    // A value of a dictionary takes a bit at least.
    const limit = type === 'DICTIONARY_PAGE' ? 8 * unpacked : wanted - values;
    if (!isSize(count, limit)) throw new Error(`${place} promises ${count} values where ${limit} may be`);
    const levels = header.data_page_header_v2;
    if (levels) {
      const { definition_levels_byte_length: a, repetition_levels_byte_length: b, num_nulls: nulls } = levels;
      if (!isSize(a, packed) || !isSize(b, packed - a) || !isSize(nulls, count))
        throw new Error(`${place} is damaged`);
    }
    if (type !== 'DICTIONARY_PAGE') values += count;
    reader.offset += packed;
  }
  if (values !== wanted) throw new Error(`it has ${values} values where ${wanted} should be`);
}

function isSize(value: unknown, most: number): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most;
}
