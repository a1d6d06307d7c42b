import { checkPicture, encodePng, type Picture } from '../png.ts';
import { bytes, double, doubles, float, integer, message } from './protobuf.ts';

/*
 * The messages of tensorboard/compat/proto that are written here, with the numbers of their fields:
 * Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; SessionLog session_log = 7; }
 * Summary { repeated Value value = 1; }
 * Value { string tag = 1; float simple_value = 2; Image image = 4; HistogramProto histo = 5; }
 * Image { int32 height = 1; int32 width = 2; int32 colorspace = 3; bytes encoded_image_string = 4; }
 * HistogramProto { double min = 1; double max = 2; double num = 3; double sum = 4; double sum_squares = 5;
 *   repeated double bucket_limit = 6; repeated double bucket = 7; }
 * SessionLog { SessionStatus status = 1; }
 */

/** Begins every file. */
export function versionEvent(seconds: number): Uint8Array {
  return message(double(1, seconds), bytes(3, 'brain.Event:2'));
}

/** Says that a run begins anew at `step`: TensorBoard drops what it has of this step and those after it. */
export function startEvent(seconds: number, step: number): Uint8Array {
  const start = 1;
  return message(double(1, seconds), integer(2, step), bytes(7, message(integer(1, start))));
}

/** What is known of `tag` at `step`; `value` is a field of a `Value`. */
export function summaryEvent(seconds: number, step: number, tag: string, value: Uint8Array): Uint8Array {
  const summary = message(bytes(1, message(bytes(1, tag), value)));
  return message(double(1, seconds), integer(2, step), bytes(5, summary));
}

/** A number as a field of a `Value`. */
export function scalarValue(value: number): Uint8Array {
  return float(2, value);
}

/**
 * A picture as a field of a `Value`.
 *
 * @throws TorchvaeError what `encodePng` throws
 */
export function imageValue(picture: Picture): Uint8Array {
  // Before its sides are written: there is no end to the digits of an infinite one.
  const { height, width, channels } = checkPicture(picture);
  const image = message(
    integer(1, height),
    integer(2, width),
    integer(3, channels),
    bytes(4, encodePng(picture)),
  );
  return bytes(4, image);
}

/** Buckets, evenly wide. */
const BUCKETS = 64;

/** How values are distributed, as a field of a `Value`; they are finite, and at least one. */
export function histogramValue(values: ArrayLike<number>): Uint8Array {
  let [min, max, sum, squares] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    min = Math.min(min, value);
    max = Math.max(max, value);
    sum += value;
    squares += value * value;
  }
  // Of values that are all the same there is one bucket, which has to have a width.
  const count = min === max ? 1 : BUCKETS;
  const width = (max - min) / count;
  const buckets = new Float64Array(count);
  for (let i = 0; i < values.length; i++) {
    const place = width > 0 ? Math.floor((values[i]! - min) / width) : 0;
    buckets[Math.min(count - 1, place)]! += 1;
  }
  const limits = Float64Array.from(buckets, (_, i) => (i === count - 1 ? max : min + (i + 1) * width));
  return bytes(
    5,
    message(
      double(1, min),
      double(2, max),
      double(3, values.length),
      double(4, sum),
      double(5, squares),
      doubles(6, limits),
      doubles(7, buckets),
    ),
  );
}
