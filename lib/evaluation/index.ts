/**
 * The measures that `VAE.evaluate` is made of.
 *
 * @module torchvae/metrics
 */
export { type Dci, dci } from './dci.ts';
export { type Detection, detection } from './detection.ts';
export type { DisentanglementOptions } from './factors.ts';
export { type FrechetOptions, frechetDistance } from './frechet.ts';
export { LatentMixture } from './latent-mixture.ts';
export { type PrecisionRecall, type PrecisionRecallOptions, precisionRecall } from './manifold.ts';
export { type MutualInformationGap, mutualInformationGap } from './mutual-information-gap.ts';
export { type SeparatedAttributePredictability, sap } from './sap.ts';
export { type SimilarityOptions, structuralSimilarity } from './similarity.ts';
