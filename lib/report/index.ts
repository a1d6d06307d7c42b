/**
 * Pictures, charts, the report page and TensorBoard logs.
 *
 * @module torchvae/report
 */
export { svgToPng } from './charts/rasterize.ts';
export type { EpochRecord, LossRecord } from './epochs.ts';
export type { Exhibit } from './exhibit.ts';
export { gallery } from './gallery.ts';
export { type GridOptions, imageGrid, reconstructionGrid } from './grid.ts';
export { type InterpolateOptions, interpolate } from './latent/interpolation.ts';
export { type Projection, projectCodes } from './latent/projection.ts';
export { latentChart } from './latent/scatter.ts';
export { type TraverseOptions, traverse } from './latent/traversal.ts';
export { type ReportContent, renderReport } from './page/report.ts';
export { encodePng, type Picture } from './png.ts';
export { gradientChart, klChart, learningRateChart, lossChart } from './run-charts.ts';
export { TensorBoardWriter } from './tensorboard/writer.ts';
export { terminalPicture } from './terminal.ts';
