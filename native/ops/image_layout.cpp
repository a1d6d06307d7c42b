#include "ops/image_layout.h"

#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include "cpu/pool.h"
#include "cpu/transpose.h"
#include "ops/plain.h"

namespace torchvae {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Shape {
  int64_t channels, height, width;
  int64_t pixels() const { return height * width; }
  int64_t size() const { return channels * pixels(); }
};

// Each of `count` matrices [rows, columns] transposed.
void transposeEach(Pool& pool, int64_t count, int64_t rows, int64_t columns, const Tensor& from,
                   const Tensor& to) {
  const float* values = from.const_data_ptr<float>();
  float* places = to.mutable_data_ptr<float>();
  pool.run(count, [&](int64_t i) {
    const int64_t at = i * rows * columns;
    transpose(values + at, columns, rows, columns, places + at, rows);
  });
}

Tensor toImages(Pool& pool, const Shape& shape, const Tensor& features) {
  const Tensor from = features.contiguous();
  const Tensor to = at::empty({from.size(0), shape.channels, shape.height, shape.width}, from.options(),
                              at::MemoryFormat::ChannelsLast);
  transposeEach(pool, from.size(0), shape.channels, shape.pixels(), from, to);
  return to;
}

Tensor toFeatures(Pool& pool, const Shape& shape, const Tensor& images) {
  const Tensor from = images.contiguous(at::MemoryFormat::ChannelsLast);
  const Tensor to = at::empty({from.size(0), shape.size()}, from.options());
  transposeEach(pool, from.size(0), shape.pixels(), shape.channels, from, to);
  return to;
}

class LayoutFunction : public torch::autograd::Function<LayoutFunction> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Shape* shape, bool isToImages,
                        Pool* pool) {
    ctx->saved_data["shape"] = std::vector<int64_t>{shape->channels, shape->height, shape->width};
    ctx->saved_data["isToImages"] = isToImages;
    ctx->saved_data["pool"] = reinterpret_cast<int64_t>(pool);
    return isToImages ? toImages(*pool, *shape, x) : toFeatures(*pool, *shape, x);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const std::vector<int64_t> sizes = ctx->saved_data["shape"].toIntVector();
    const Shape shape{sizes[0], sizes[1], sizes[2]};
    auto& pool = *reinterpret_cast<Pool*>(ctx->saved_data["pool"].toInt());
    const bool isToImages = ctx->saved_data["isToImages"].toBool();
    return {isToImages ? toFeatures(pool, shape, gradients[0]) : toImages(pool, shape, gradients[0]),
            Tensor(), Tensor(), Tensor()};
  }
};

// Whether there is something to do: one channel is innermost already.
bool moves(const Context& context, const Shape& shape) {
  return PlainOperations::served(context) && shape.channels > 1;
}

}  // namespace

Tensor imagesOf(const Context& context, const Tensor& features, int64_t channels, int64_t height,
                int64_t width) {
  const Shape shape{channels, height, width};
  if (!moves(context, shape)) return features.view({features.size(0), channels, height, width});
  return LayoutFunction::apply(features, &shape, true, context.pool);
}

Tensor featuresOf(const Context& context, const Tensor& images) {
  const Shape shape{images.size(1), images.size(2), images.size(3)};
  if (!moves(context, shape)) return images.flatten(1);
  return LayoutFunction::apply(images, &shape, false, context.pool);
}

}  // namespace torchvae
