import { Random } from '../data/random.ts';
import type { Turns } from '../turns.ts';

/** How a {@link Forest} is grown. */
export interface ForestOptions {
  /** Trees, each on a draw with replacement of as many rows as there are. One alone takes all rows as they are. */
  trees: number;
  /** Decisions between the root and a leaf, at most. */
  depth: number;
  /** Rows that a leaf has at least. */
  leaf: number;
  seed: number;
}

/** Intervals of equal count that a feature is divided into; cuts lie between them. */
const CUTS = 128;

/** A decision, or, where `feature` is -1, a leaf with the shares of the classes. */
interface Node {
  feature: number;
  /** Values up to this one go left. */
  threshold: number;
  left: number;
  right: number;
  shares: Float64Array;
}

/**
 * Bagged decision trees for classes (Breiman 1996; 2001, with all features at every decision), cut where the Gini impurity
 * falls most. DCI and SAP measure with them how much a code says about a factor.
 */
export class Forest {
  /** Of each feature, its share of the fall of impurity (Breiman 2001), averaged over the trees; they add up to 1 where any cut was made. */
  readonly importances: Float64Array;
  readonly #columns: number;
  readonly #classes: number;
  readonly #trees: readonly Node[][];

  private constructor(importances: Float64Array, columns: number, classes: number, trees: Node[][]) {
    this.importances = importances;
    this.#columns = columns;
    this.#classes = classes;
    this.#trees = trees;
  }

  /**
   * @param features [rows, columns]
   * @param targets [rows], classes from 0
   * @param turns of the work, which the trees' nodes divide
   */
  static async fit(
    features: Float32Array,
    columns: number,
    targets: Int32Array,
    options: ForestOptions,
    turns: Turns,
  ): Promise<Forest> {
    const classes = targets.reduce((most, target) => Math.max(most, target), 0) + 1;
    const cuts = await cutFeatures(features, columns, turns);
    const random = new Random(options.seed);
    const importances = new Float64Array(columns);
    const trees: Node[][] = [];
    for (let t = 0; t < options.trees; t++) {
      const rows = Uint32Array.from(targets, (_, i) =>
        options.trees === 1 ? i : random.below(targets.length),
      );
      const { nodes, falls } = await new Growth(cuts, targets, classes, options, turns).grow(rows);
      const sum = falls.reduce((total, fall) => total + fall, 0);
      if (sum > 0) for (let j = 0; j < columns; j++) importances[j]! += falls[j]! / sum / options.trees;
      trees.push(nodes);
    }
    return new Forest(importances, columns, classes, trees);
  }

  /** The likeliest class of each row of [rows, columns]. */
  async predict(features: Float32Array, turns: Turns): Promise<Int32Array> {
    const found = new Int32Array(features.length / this.#columns);
    for (let i = 0; i < found.length; i++) {
      if (i % 256 === 0) await turns.pause();
      found[i] = this.#classOf(features.subarray(i * this.#columns, (i + 1) * this.#columns));
    }
    return found;
  }

  #classOf(row: Float32Array): number {
    const votes = new Float64Array(this.#classes);
    for (const nodes of this.#trees) {
      let node = nodes[0]!;
      while (node.feature >= 0) node = nodes[row[node.feature]! <= node.threshold ? node.left : node.right]!;
      node.shares.forEach((share, c) => {
        votes[c]! += share;
      });
    }
    return votes.indexOf(votes.reduce((most, vote) => Math.max(most, vote), 0));
  }
}

/** The features as numbers of intervals, and the values that end these. */
interface CutFeatures {
  columns: number;
  /** [rows, columns]. */
  bins: Uint8Array;
  /** For each feature, the largest value of each interval. */
  ends: readonly Float64Array[];
}

async function cutFeatures(features: Float32Array, columns: number, turns: Turns): Promise<CutFeatures> {
  const rows = features.length / columns;
  const bins = new Uint8Array(features.length);
  const ends: Float64Array[] = [];
  for (let j = 0; j < columns; j++) {
    await turns.pause();
    const sorted = Float64Array.from({ length: rows }, (_, i) => features[i * columns + j]!).sort();
    const wanted = Array.from({ length: CUTS }, (_, c) => sorted[Math.ceil(((c + 1) * rows) / CUTS) - 1]!);
    const distinct = Float64Array.from(new Set(wanted));
    ends.push(distinct);
    for (let i = 0; i < rows; i++) {
      bins[i * columns + j] = firstNotBelow(distinct, features[i * columns + j]!);
    }
  }
  return { columns, bins, ends };
}

/** The first index whose value is not below `value`, in rising values of which the last is not. */
function firstNotBelow(rising: Float64Array, value: number): number {
  let [low, high] = [0, rising.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rising[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** One tree as it grows. */
class Growth {
  readonly #cuts: CutFeatures;
  readonly #targets: Int32Array;
  readonly #classes: number;
  readonly #options: ForestOptions;
  readonly #turns: Turns;
  readonly #nodes: Node[] = [];
  readonly #falls: Float64Array;

  constructor(cuts: CutFeatures, targets: Int32Array, classes: number, options: ForestOptions, turns: Turns) {
    this.#cuts = cuts;
    this.#targets = targets;
    this.#classes = classes;
    this.#options = options;
    this.#turns = turns;
    this.#falls = new Float64Array(cuts.columns);
  }

  async grow(rows: Uint32Array): Promise<{ nodes: Node[]; falls: Float64Array }> {
    await this.#add(rows, this.#options.depth);
    return { nodes: this.#nodes, falls: this.#falls };
  }

  /** Adds the node that decides over `rows`, with all below it; returns its place. */
  async #add(rows: Uint32Array, depth: number): Promise<number> {
    const counts = new Float64Array(this.#classes);
    for (const row of rows) counts[this.#targets[row]!]! += 1;
    const place = this.#nodes.length;
    const node: Node = {
      feature: -1,
      threshold: 0,
      left: -1,
      right: -1,
      shares: counts.map((count) => count / rows.length),
    };
    this.#nodes.push(node);
    const isCut = depth > 0 && rows.length >= 2 * this.#options.leaf;
    const cut = isCut ? await this.#bestCut(rows, counts) : undefined;
    if (!cut) return place;
    const { columns, bins, ends } = this.#cuts;
    const isLeft = (row: number) => bins[row * columns + cut.feature]! <= cut.bin;
    this.#falls[cut.feature]! += cut.fall;
    node.feature = cut.feature;
    node.threshold = ends[cut.feature]![cut.bin]!;
    node.left = await this.#add(rows.filter(isLeft), depth - 1);
    node.right = await this.#add(
      rows.filter((row) => !isLeft(row)),
      depth - 1,
    );
    return place;
  }

  /** Where the impurity, times the rows, falls most; undefined where it does not fall. */
  async #bestCut(rows: Uint32Array, counts: Float64Array) {
    const { columns, bins, ends } = this.#cuts;
    const classes = this.#classes;
    const whole = purity(counts, rows.length);
    let best: { feature: number; bin: number; fall: number } | undefined;
    for (let j = 0; j < columns; j++) {
      await this.#turns.pause();
      const size = ends[j]!.length;
      const table = new Float64Array(size * classes);
      for (const row of rows) table[bins[row * columns + j]! * classes + this.#targets[row]!]! += 1;
      const left = new Float64Array(classes);
      const right = Float64Array.from(counts);
      let onLeft = 0;
      for (let bin = 0; bin < size - 1; bin++) {
        for (let c = 0; c < classes; c++) {
          const moved = table[bin * classes + c]!;
          left[c]! += moved;
          right[c]! -= moved;
          onLeft += moved;
        }
        const onRight = rows.length - onLeft;
        if (onLeft < this.#options.leaf || onRight < this.#options.leaf) continue;
        const fall = purity(left, onLeft) + purity(right, onRight) - whole;
        if (fall > (best?.fall ?? 1e-9)) best = { feature: j, bin, fall };
      }
    }
    return best;
  }
}

/** Rows times (1 - Gini impurity). */
function purity(counts: Float64Array, rows: number): number {
  let sum = 0;
  for (let c = 0; c < counts.length; c++) sum += counts[c]! * counts[c]!;
  return sum / rows;
}
