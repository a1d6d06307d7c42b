// The one exception type that crosses from the engine to the binding; `code` is a lib/errors.ts ErrorCode.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace torchvae {

class __attribute__((visibility("default"))) Error : public std::runtime_error {
 public:
  Error(std::string code, const std::string& message) : std::runtime_error(message), code_(std::move(code)) {}
  // Copied where it could be moved: older systems' std::runtime_error has no move.
  Error(const Error&) = default;
  Error& operator=(const Error&) = default;
  const std::string& code() const { return code_; }

 private:
  std::string code_;
};

}  // namespace torchvae
