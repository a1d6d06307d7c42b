#include "eval/forest.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "random/philox.h"

namespace torchvae {
namespace {

// Intervals of equal count that a feature is divided into; cuts lie between them.
constexpr int64_t kCuts = 128;
// What a cut must let the impurity fall by, times the rows: more than sums of shares are off.
constexpr double kLeastFall = 1e-9;

// The features as numbers of intervals.
struct CutFeatures {
  int64_t columns = 0;
  std::vector<uint8_t> bins;             // [rows, columns]
  std::vector<std::vector<float>> ends;  // of each feature, the largest value of each interval

  uint8_t bin(int64_t row, int64_t column) const { return bins[static_cast<size_t>(row * columns + column)]; }
};

// A decision, or, where `feature` is -1, a leaf with the shares of the classes.
struct Node {
  int64_t feature = -1;
  float threshold = 0;  // values up to this one go left
  size_t left = 0;
  size_t right = 0;
  std::vector<double> shares;
};

struct Tree {
  std::vector<Node> nodes;
  std::vector<double> falls;  // of the impurity by each feature

  const Node& leafOf(const float* row) const {
    const Node* node = &nodes.front();
    while (node->feature >= 0)
      node = &nodes[row[node->feature] <= node->threshold ? node->left : node->right];
    return *node;
  }
};

const float* valuesOf(const HostArray& array) {
  return static_cast<const float*>(array.data);
}

CutFeatures cutFeatures(const HostArray& features) {
  const int64_t rows = features.rows;
  CutFeatures cut{features.columns, std::vector<uint8_t>(static_cast<size_t>(rows * features.columns)), {}};
  std::vector<float> sorted(static_cast<size_t>(rows));
  for (int64_t column = 0; column < cut.columns; ++column) {
    const float* values = valuesOf(features) + column;
    for (int64_t row = 0; row < rows; ++row) sorted[static_cast<size_t>(row)] = values[row * cut.columns];
    std::sort(sorted.begin(), sorted.end());
    std::vector<float> ends;
    for (int64_t c = 1; c <= kCuts; ++c) {
      ends.push_back(sorted[static_cast<size_t>(std::max<int64_t>(0, (c * rows + kCuts - 1) / kCuts - 1))]);
    }
    ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
    for (int64_t row = 0; row < rows; ++row) {
      const auto end = std::lower_bound(ends.begin(), ends.end(), values[row * cut.columns]);
      cut.bins[static_cast<size_t>(row * cut.columns + column)] = static_cast<uint8_t>(end - ends.begin());
    }
    cut.ends.push_back(std::move(ends));
  }
  return cut;
}

// Rows times (1 - Gini impurity).
double purity(const std::vector<double>& counts, double rows) {
  double sum = 0;
  for (const double count : counts) sum += count * count;
  return sum / rows;
}

// One tree as it grows.
class Growth {
 public:
  // `weights` says how often each row was drawn.
  Growth(const CutFeatures& cuts, const int32_t* targets, size_t classes, const ForestSettings& settings,
         std::vector<double> weights)
      : cuts_(cuts), targets_(targets), classes_(classes), settings_(settings), weights_(std::move(weights)) {
    tree_.falls.resize(static_cast<size_t>(cuts.columns));
  }

  Tree grow() {
    std::vector<int64_t> rows;
    for (size_t row = 0; row < weights_.size(); ++row) {
      if (weights_[row] > 0) rows.push_back(static_cast<int64_t>(row));
    }
    add(rows.begin(), rows.end(), settings_.depth);
    return std::move(tree_);
  }

 private:
  using Rows = std::vector<int64_t>::iterator;
  struct Cut {
    int64_t feature = -1;
    int64_t bin = 0;
    double fall = kLeastFall;
  };

  // Adds the node that decides over the rows, with all below it; returns its place.
  size_t add(Rows begin, Rows end, int64_t depth) {
    std::vector<double> counts(classes_);
    for (Rows row = begin; row != end; ++row) counts[targetOf(*row)] += weightOf(*row);
    const double weight = std::accumulate(counts.begin(), counts.end(), 0.0);
    const size_t place = tree_.nodes.size();
    Node& node = tree_.nodes.emplace_back();
    for (const double count : counts) node.shares.push_back(count / weight);
    if (depth == 0 || end - begin < 2 * settings_.leaf) return place;
    const Cut cut = bestCut(begin, end, counts);
    if (cut.feature < 0) return place;
    const auto feature = static_cast<size_t>(cut.feature);
    tree_.falls[feature] += cut.fall;
    const Rows middle = std::stable_partition(
        begin, end, [&](int64_t row) { return cuts_.bin(row, cut.feature) <= cut.bin; });
    const size_t left = add(begin, middle, depth - 1);
    const size_t right = add(middle, end, depth - 1);
    Node& decision = tree_.nodes[place];  // the vector has grown
    decision.feature = cut.feature;
    decision.threshold = cuts_.ends[feature][static_cast<size_t>(cut.bin)];
    decision.left = left;
    decision.right = right;
    return place;
  }

  // Where the impurity, times the rows, falls most; of feature -1 where it does not fall.
  Cut bestCut(Rows begin, Rows end, const std::vector<double>& counts) {
    const double all = std::accumulate(counts.begin(), counts.end(), 0.0);
    const double whole = purity(counts, all);
    Cut best;
    for (int64_t feature = 0; feature < cuts_.columns; ++feature) {
      const size_t bins = cuts_.ends[static_cast<size_t>(feature)].size();
      table_.assign(bins * classes_, 0);
      members_.assign(bins, 0);
      for (Rows row = begin; row != end; ++row) {
        const size_t bin = cuts_.bin(*row, feature);
        table_[bin * classes_ + targetOf(*row)] += weightOf(*row);
        ++members_[bin];
      }
      std::vector<double> left(classes_);
      std::vector<double> right = counts;
      double onLeft = 0;
      int64_t rowsOnLeft = 0;
      for (size_t bin = 0; bin + 1 < bins; ++bin) {
        for (size_t c = 0; c < classes_; ++c) {
          const double moved = table_[bin * classes_ + c];
          left[c] += moved;
          right[c] -= moved;
          onLeft += moved;
        }
        rowsOnLeft += members_[bin];
        if (rowsOnLeft < settings_.leaf || end - begin - rowsOnLeft < settings_.leaf) continue;
        const double fall = purity(left, onLeft) + purity(right, all - onLeft) - whole;
        if (fall > best.fall) best = {feature, static_cast<int64_t>(bin), fall};
      }
    }
    return best;
  }

  size_t targetOf(int64_t row) const { return static_cast<size_t>(targets_[row]); }
  double weightOf(int64_t row) const { return weights_[static_cast<size_t>(row)]; }

  const CutFeatures& cuts_;
  const int32_t* targets_;
  size_t classes_;
  ForestSettings settings_;
  std::vector<double> weights_;
  std::vector<double> table_;     // of a feature: [bins, classes]
  std::vector<int64_t> members_;  // of a feature: rows in each bin
  Tree tree_;
};

// How often each row is in a tree: once where it is the only tree, else in as many draws with replacement.
std::vector<double> bag(const ForestSettings& settings, int64_t tree, int64_t rows) {
  if (settings.trees == 1) return std::vector<double>(static_cast<size_t>(rows), 1.0);
  std::vector<double> drawn(static_cast<size_t>(rows));
  const Draw draw{settings.seed, Stream::kOrder, static_cast<uint64_t>(tree)};
  for (int64_t i = 0; i < rows; ++i) drawn[static_cast<size_t>(drawBelow(draw, i, rows))] += 1;
  return drawn;
}

int32_t likeliest(const std::vector<Tree>& trees, const float* row, std::vector<double>& votes) {
  std::fill(votes.begin(), votes.end(), 0.0);
  for (const Tree& tree : trees) {
    const Node& leaf = tree.leafOf(row);
    for (size_t c = 0; c < votes.size(); ++c) votes[c] += leaf.shares[c];
  }
  return static_cast<int32_t>(std::max_element(votes.begin(), votes.end()) - votes.begin());
}

}  // namespace

ForestFit growForest(const HostArray& features, const HostArray& judged, const ForestSettings& settings,
                     Pool* pool) {
  const bool isLabeled = features.labels != nullptr && features.rows > 0;
  if (!isLabeled || features.isUint8 || judged.isUint8 || features.columns != judged.columns) {
    throw Error("ERR_SHAPE",
                "Expected labeled floats to fit trees to, and floats of as many columns to judge");
  }
  const auto [least, most] = std::minmax_element(features.labels, features.labels + features.rows);
  if (*least < 0) throw Error("ERR_RANGE", "Expected classes from 0");
  const size_t classes = static_cast<size_t>(*most) + 1;
  const CutFeatures cuts = cutFeatures(features);
  std::vector<Tree> trees(static_cast<size_t>(settings.trees));
  const auto grow = [&](int64_t t) {
    Growth growth(cuts, features.labels, classes, settings, bag(settings, t, features.rows));
    trees[static_cast<size_t>(t)] = growth.grow();
  };
  if (pool != nullptr) {
    pool->run(settings.trees, grow);
  } else {
    for (int64_t t = 0; t < settings.trees; ++t) grow(t);
  }
  ForestFit fit;
  fit.importances.resize(static_cast<size_t>(features.columns));
  for (const Tree& tree : trees) {
    const double sum = std::accumulate(tree.falls.begin(), tree.falls.end(), 0.0);
    for (size_t j = 0; sum > 0 && j < tree.falls.size(); ++j) {
      fit.importances[j] += tree.falls[j] / sum / static_cast<double>(settings.trees);
    }
  }
  std::vector<double> votes(classes);
  for (int64_t row = 0; row < judged.rows; ++row) {
    fit.classes.push_back(likeliest(trees, valuesOf(judged) + row * judged.columns, votes));
  }
  return fit;
}

}  // namespace torchvae
