// The one exception type that crosses from the engine to the binding; `code` is a lib/errors.ts ErrorCode.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace torchvae {

class __attribute__((visibility("default"))) Error : public std::runtime_error {
 public:
  Error(std::string code, const std::string& message) : std::runtime_error(message), code_(std::move(code)) {}
  const std::string& code() const { return code_; }

 private:
  std::string code_;
};

}  // namespace torchvae
