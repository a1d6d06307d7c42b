// How a rank waits for what all ranks do together, and what it says where that comes to nothing.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <string>

#include "error.h"
#include "ranks/words.h"

namespace torchvae {

class Vigil {
 public:
  // `requireOthers` throws where another rank is known to be lost; `whomLost` finds out which, in words.
  Vigil(std::string name, std::function<void()> requireOthers, std::function<std::string()> whomLost)
      : name_(std::move(name)), requireOthers_(std::move(requireOthers)), whomLost_(std::move(whomLost)) {}

  // Throws what has ended the ranks' work before.
  void requireWhole() const {
    if (!lost_.empty()) failRanks(lost_);
  }

  // Does `work`, which all ranks do together: what it throws, unless in our own words, tells that one is
  // lost.
  template <class Work>
  void together(const Work& work) {
    requireWhole();
    try {
      work();
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      lose(wordsOf(error));
    }
  }

  // Looks by `glance`, which takes its time, until it finds what it looks for. Within together().
  void wait(const std::function<bool()>& glance, const std::atomic<bool>& abort);

 private:
  [[noreturn]] void lose(const std::string& because);

  std::string name_;
  std::function<void()> requireOthers_;
  std::function<std::string()> whomLost_;
  std::string lost_;  // why the ranks cannot go on
};

}  // namespace torchvae
