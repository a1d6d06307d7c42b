// Rows of a table that whole numbers choose.
#pragma once

#include <cstdint>

#include "cpu/pool.h"

namespace torchvae::cpu {

struct Table {
  int64_t rows, width;
};

// to [count, width]: the rows of `table` that `chosen` [count] names.
void gatherRows(Pool& pool, const Table& shape, const float* table, const int32_t* chosen, int64_t count,
                float* to);

// Adds each of the rows `from` [count, width] to that which `chosen` names. What goes to one row is added up
// in the order of `from`, on any number of threads.
void addToRows(Pool& pool, const Table& shape, const float* from, const int32_t* chosen, int64_t count,
               float* table);

}  // namespace torchvae::cpu
