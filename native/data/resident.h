// A data set that lies whole on the device, and the gathering of a batch from it.
#pragma once

#include "base/context.h"
#include "engine.h"
#include "fused/activations.h"
#include "random/philox.h"

namespace torchvae {

class ResidentDataset : public Dataset {
 public:
  // Copies `values` to the device: uint8 pixels stay bytes until a batch is gathered.
  ResidentDataset(const c10::Device& device, const HostArray& values);

  // Whether the values are probabilities, of which every batch draws its own values of 0 and 1.
  bool isDrawn() const { return isDrawn_; }
  // Another for each data set of the process, in the order in which they are made.
  int64_t serial() const { return serial_; }

  int64_t rows() const override { return values_.size(0); }
  int64_t columns() const { return values_.size(1); }

  const at::Tensor& values() const { return values_; }  // [rows, columns], uint8 or float32
  const at::Tensor& labels() const { return labels_; }  // int64 [rows]; undefined for none

  // The largest magnitude of the values as batches have them.
  float magnitude() const { return magnitude_; }

  // Rows of an order, which is int64 on the device: order[first], ..., order[first + rows - 1]. Drawn values
  // are drawn by numbers that `draw` begins, as for rows place, place + 1, ... of a batch.
  struct Rows {
    const at::Tensor& order;
    int64_t first;
    int64_t rows;
    Draw draw;
    int64_t place = 0;
  };
  // x[i] = the i-th of these rows, pixels scaled by 1/255. Columns of x beyond those of the data become the
  // example's label, one-hot.
  void gather(const Context& context, const Rows& wanted, Activations& x) const;

  // The same as a new tensor [rows, columns] of the context's type.
  at::Tensor rowsOf(const Context& context, const Rows& wanted) const;
  // Throws ERR_SHAPE for data without labels, ERR_RANGE where there are some of no class.
  void checkLabels(int64_t classes) const;
  // The labels of these examples, one-hot [rows, classes]. Throws as checkLabels() does.
  at::Tensor labelsOf(const Context& context, const at::Tensor& examples, int64_t classes) const;
  // The same to rows of `to` [rows, classes], which may lie apart.
  void storeLabels(const Context& context, const at::Tensor& examples, const at::Tensor& to) const;

 private:
  static int64_t nextSerial();
  template <class Finish>
  void gatherTiles(const Context& context, const Rows& wanted, const at::Tensor& to,
                   const Finish& finish) const;

  at::Tensor values_;
  at::Tensor labels_;
  int32_t leastLabel_ = 0;
  int32_t mostLabel_ = 0;
  float magnitude_ = 1;
  bool isDrawn_ = false;
  int64_t serial_ = nextSerial();
};

}  // namespace torchvae
