// Tables of parts by name: adding a part is a line in one.
#pragma once

#include <cstddef>
#include <string>

#include "error.h"

namespace torchvae {

// The row of a `table` of rows with a `name`. Throws ERR_SPEC, naming the `kind` of part, where there is
// none.
template <class Row, size_t kRows>
const Row& rowOf(const Row (&table)[kRows], const std::string& kind, const std::string& name) {
  for (const Row& row : table) {
    if (name == row.name) return row;
  }
  throw Error("ERR_SPEC", "The engine has no " + kind + " named " + name);
}

}  // namespace torchvae
