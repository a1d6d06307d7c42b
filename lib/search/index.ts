/**
 * Search for the settings of models and their training.
 *
 * @module torchvae/search
 */
export type { ObjectiveName } from './objectives.ts';
export type { PrunerName } from './pruning.ts';
export type { SamplerName } from './samplers.ts';
export { type SearchOptions, type SearchResult, search } from './search.ts';
export type { SettingName } from './settings.ts';
export type { Json } from './space/parameter.ts';
export type { ChoiceInput, ParameterInput, RangeInput, Space, ValuesOf, When } from './space/space.ts';
export type { TrialState } from './study/replay.ts';
export type { Trial, TrialResult } from './trial.ts';
