// Makes a library of the engine whose device 'cpu' is the twin: attached as soon as the library is opened.
#include "part.h"

namespace {

[[maybe_unused]] const bool kAttached = [] {
  static torchvae::twin::TwinPart part;
  torchvae_engine(torchvae::kEngineInterface)->attach(&part);
  return true;
}();

}  // namespace
