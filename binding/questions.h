// The addon's functions that ask a model, or points in a space, and change nothing.
#pragma once

#include <functional>

#include "arguments.h"

namespace torchvae::binding {

using AddFunction = std::function<void(const char* name, Napi::Value (*function)(const Info&))>;

void addQuestions(const AddFunction& add);

}  // namespace torchvae::binding
