// The models that several processes train, in the tests and in each of the processes: `torchvae` is the package, from lib/ or from dist/.

/** The data of a case. One with an outlier has a row whose loss is not finite. */
async function dataOf({ Dataset, StreamedDataset, sprites }, { count, binarize, outlier, window }) {
  const data = sprites({ count });
  if (window !== undefined) return StreamedDataset.from(() => [data], { window });
  if (binarize) return data.binarize({ mode: binarize });
  if (outlier === undefined) return data;
  const values = Float32Array.from(data.data, (value) => value / 255);
  values[outlier * data.size] = 1e30;
  return new Dataset({ shape: data.shape, kind: 'real', data: values });
}

/** Trains a case, and gives the model with what its epochs came to, or the message of the error that ended it, and by what processes exchanged. */
export async function train(torchvae, each, distributed) {
  const { VAE, sprites } = torchvae;
  const data = await dataOf(torchvae, each);
  const validation = sprites({ count: 600 });
  const vae = await VAE.create({ ...each.create, device: 'cpu' });
  const epochs = [];
  let error = '';
  let exchange = '';
  try {
    for await (const result of vae.fit(data, { ...each.fit, validation, distributed })) {
      const { train, validation: judged, gradientHealth, skipped = 0, skippedBecause = '' } = result;
      exchange = result.exchange ?? '';
      epochs.push({ train, judged, norm: gradientHealth?.norm ?? 0, skipped, skippedBecause });
    }
  } catch (thrown) {
    error = thrown.message;
  }
  return { vae, epochs, error, exchange };
}
