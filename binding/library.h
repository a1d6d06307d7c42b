// Opening libtorch and the engine, once for the process.
#pragma once

#include <string>
#include <vector>

#include "engine.h"

namespace torchvae::binding {

struct LibraryPaths {
  std::vector<std::string> libtorch;  // absolute, in the order to open them
  std::string engine;                 // absolute
  std::string cudaPart;               // absolute; empty for none
  std::string programs;               // where the CUDA part keeps compiled kernels; empty for nowhere
};

// Opens the libraries and returns the engine; called again, returns the same one. Throws ERR_LIBTORCH when a
// library of libtorch cannot be opened, ERR_ADDON when the engine cannot or is of another interface,
// ERR_STATE when a different engine or libtorch is already open in this process. A CUDA part that is named
// only later is not opened.
Engine& openEngine(const LibraryPaths& paths);

// The engine that openEngine() opened. Throws ERR_STATE before that.
Engine& engine();

}  // namespace torchvae::binding
