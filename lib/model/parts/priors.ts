import { type FieldsOf, integer, type Whole, widths } from './fields.ts';

/** p(z), as a caller writes it: its type, or its type and the settings that differ from the defaults. */
export type PriorInput =
  /** N(0, I); if the prior is conditioned, a normal of learned mean and variance for each label (Sohn et al. 2015). */
  | 'standard-normal'
  | { type: 'standard-normal' }
  /** A mixture of diagonal normals, all of it learned. */
  | 'mixture'
  | {
      type: 'mixture';
      /** Normals. Default 10. */
      components?: number;
    }
  /** A mixture of the posteriors of learned pseudo-inputs (Tomczak and Welling 2018). */
  | 'vamp'
  | {
      type: 'vamp';
      /** Pseudo-inputs. Default 500. */
      components?: number;
    }
  /** A flow of affine couplings over N(0, I) (Dinh et al. 2017). */
  | 'realnvp'
  | {
      type: 'realnvp';
      /** Couplings. Default 4. */
      layers?: number;
      /** Widths of each coupling's hidden layers, tanh. Default [64]. */
      hidden?: readonly number[];
    }
  /** Uniform over categories, for posteriors that have them; their default. */
  | 'categorical'
  | { type: 'categorical' };

/** p(z) with all its settings. */
export type PriorSpec = Whole<PriorInput>;

export const PRIORS: FieldsOf<PriorSpec> = {
  'standard-normal': {},
  mixture: { components: integer(10, 1, 1 << 16) },
  vamp: { components: integer(500, 1, 1 << 16) },
  realnvp: { layers: integer(4, 1, 64), hidden: widths([64]) },
  categorical: {},
};
