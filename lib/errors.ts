/** Stable identifiers of what went wrong; a message may change between versions, a code does not. */
export type ErrorCode =
  /** A value has the wrong JavaScript type. */
  | 'ERR_TYPE'
  /** A number lies outside its permitted range, or data outside the likelihood's support. */
  | 'ERR_RANGE'
  /** A tensor's size does not fit the model. */
  | 'ERR_SHAPE'
  /** A model description that cannot be built. */
  | 'ERR_SPEC'
  /** A data file that is missing, truncated, corrupt or of another format. */
  | 'ERR_DATA_FORMAT'
  /** A download failed or its hash does not match. */
  | 'ERR_DOWNLOAD'
  /** A checkpoint that is missing, truncated, corrupt or of another format. */
  | 'ERR_CHECKPOINT'
  /** The asked device does not exist or cannot be used. */
  | 'ERR_DEVICE'
  /** The device or the host has no memory left. */
  | 'ERR_OUT_OF_MEMORY'
  /** A loss or gradient became NaN or infinite. */
  | 'ERR_NONFINITE'
  /** The caller's AbortSignal fired. */
  | 'ERR_ABORTED'
  /** The processes that are to train one model together do not come together, are about different things, or lost one. */
  | 'ERR_DISTRIBUTED'
  /** libtorch is missing, broken or of a version that has no engine. */
  | 'ERR_LIBTORCH'
  /** The addon binary is missing or does not fit this package. */
  | 'ERR_ADDON'
  /** The object was disposed, or is busy with another call. */
  | 'ERR_STATE'
  /** A file could not be read or written. */
  | 'ERR_IO'
  /** A defect of torchvae or libtorch. */
  | 'ERR_INTERNAL';

/** The one error type of this package: `code` says what kind of trouble, `message` what to do about it. */
export class TorchvaeError extends Error {
  override readonly name = 'TorchvaeError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
