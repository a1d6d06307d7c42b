// The addon's functions for processes that train one model together.
#pragma once

#include "arguments.h"

namespace torchvae::binding {

void addRanks(const AddFunction& add);

}  // namespace torchvae::binding
