// Compiled programs that stay in files from one process to the next: a second of a process's start.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace torchvae {

class KeptPrograms {
 public:
  // In files of `folder`, which is made when the first program is kept; empty for none. Other processes may
  // use the same folder, and anyone may delete what is in it.
  explicit KeptPrograms(std::string folder) : folder_(std::move(folder)) {}

  // The machine code kept under `key`, a line of text that says all that it depends on. Nothing where there
  // is none or its file is damaged.
  std::optional<std::vector<char>> find(const std::string& key) const;
  // A program that cannot be kept, such as on a full disk, is compiled again by the next process.
  void keep(const std::string& key, const std::vector<char>& code) const noexcept;

 private:
  std::string pathOf(const std::string& key) const;

  std::string folder_;
};

}  // namespace torchvae
