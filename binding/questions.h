// The addon's functions that ask a model, or points in a space, and change nothing.
#pragma once

#include "arguments.h"

namespace torchvae::binding {

void addQuestions(const AddFunction& add);

}  // namespace torchvae::binding
