// What c10d's header of Gloo names of Gloo, whose own headers no build of libtorch brings along. Nothing here
// is made, called or derived from by us: libtorch's own code does all that.
#pragma once

#include <chrono>

namespace gloo {

class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};

namespace transport {
class UnboundBuffer;
}

}  // namespace gloo
