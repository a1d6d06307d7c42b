#include "pass/draws.h"

#include <ATen/ops/empty.h>
#include <c10/util/accumulate.h>

#include <utility>

#include "base/host.h"
#include "error.h"

namespace torchvae {
namespace {

// Streams of requests after the first begin above those that have names.
constexpr uint32_t kFirstRequestStream = 16;

void fill(const Draw& draw, bool isUniform, int64_t first, float* to, int64_t count) {
  if (!isUniform) return fillNormal(draw, first, to, count);
  fillUniform(draw, first, to, count);
  for (int64_t i = 0; i < count; ++i) to[i] = awayFromEnds(to[i]);
}

}  // namespace

Draw drawOfRequest(const Draw& first, uint32_t request) {
  if (request == 0) return first;
  return {first.seed, static_cast<Stream>(kFirstRequestStream + request), first.step};
}

int64_t Draws::firstOf(at::IntArrayRef sizes) const {
  return first_ > 0 && sizes[0] % rows_ == 0 ? first_ * (c10::multiply_integers(sizes) / rows_) : 0;
}

Tensor Draws::drawn(const Draw& draw, at::IntArrayRef sizes, bool isUniform) const {
  const int64_t count = c10::multiply_integers(sizes);
  const int64_t first = firstOf(sizes);
  if (context_.kernels != nullptr) {
    const Tensor made = at::empty(sizes, context_.options());
    context_.kernels->fillRandom(draw, first, isUniform, state_, made);
    return made;
  }
  const Tensor host = at::empty(sizes, kHostFloat);
  fill(draw, isUniform, first, host.data_ptr<float>(), count);
  return host.to(context_.options());
}

Tensor Draws::drawnByRow(const Draw& draw, at::IntArrayRef sizes, bool isUniform) const {
  const Tensor host = at::empty(sizes, kHostFloat);
  const int64_t each = host.numel() / static_cast<int64_t>(keys_.size());
  float* to = host.data_ptr<float>();
  for (const uint64_t key : keys_) {
    Draw own = draw;
    own.step ^= key;
    fill(own, isUniform, 0, to, each);
    to += each;
  }
  return host.to(context_.options());
}

Tensor Draws::noise(at::IntArrayRef sizes, bool isUniform) {
  const Draw draw = drawOfRequest(draw_, requests_++);
  if (!given_.defined()) {
    // Numbers that are not of the rows, such as those of a prior's own inputs, have no row's key.
    const auto rows = static_cast<int64_t>(keys_.size());
    const bool isByRow = rows > 0 && c10::multiply_integers(sizes) % rows == 0;
    return isByRow ? drawnByRow(draw, sizes, isUniform) : drawn(draw, sizes, isUniform);
  }
  const int64_t wanted = c10::multiply_integers(sizes);
  if (given_.numel() != wanted) {
    throw Error("ERR_SHAPE", "Expected " + std::to_string(wanted) + " values for noise but received " +
                                 std::to_string(given_.numel()) +
                                 ": this model draws z more than once for each example; give a seed instead");
  }
  return std::exchange(given_, Tensor()).view(sizes);
}

Tensor Draws::normal(at::IntArrayRef sizes) {
  return noise(sizes, false);
}

Tensor Draws::uniform(at::IntArrayRef sizes) {
  return noise(sizes, true);
}

Tensor Draws::mask(at::IntArrayRef sizes) {
  return drawn(drawOfRequest(draw_, requests_++), sizes, true);
}

Draws::Place Draws::placeOfMask(at::IntArrayRef sizes) {
  return {drawOfRequest(draw_, requests_++), firstOf(sizes)};
}

Tensor Draws::gumbel(at::IntArrayRef sizes) {
  return -(-uniform(sizes).log()).log();
}

}  // namespace torchvae
