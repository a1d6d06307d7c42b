// What a codebook is made of (van den Oord et al. 2017), for all that declare or find it.
#pragma once

namespace torchvae {

// The layer that makes the vectors.
inline constexpr const char* kVectors = "posterior.code";
// The model's buffers: the entries [codes, size], and the moving averages of their counts [codes] and sums
// [codes, size].
inline constexpr const char* kCodebook = "posterior.codebook";
inline constexpr const char* kCodebookCounts = "posterior.codebook.counts";
inline constexpr const char* kCodebookSums = "posterior.codebook.sums";

inline constexpr double kCodebookEpsilon = 1e-5;  // Laplace smoothing of the counts

}  // namespace torchvae
