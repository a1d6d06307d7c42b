#include "ranks/words.h"

#include <c10/util/Exception.h>

#include <algorithm>

#include "error.h"

namespace torchvae {

std::string nameOf(const RanksSettings& settings) {
  return "Rank " + std::to_string(settings.rank) + " of " + std::to_string(settings.size);
}

std::string inWords(const std::vector<int>& ranks) {
  constexpr size_t kNamed = 8;
  std::string words = ranks.size() == 1 ? "rank " : "ranks ";
  for (size_t i = 0; i < std::min(ranks.size(), kNamed); ++i) {
    words += (i > 0 ? ", " : "") + std::to_string(ranks[i]);
  }
  if (ranks.size() > kNamed) words += " and " + std::to_string(ranks.size() - kNamed) + " more";
  return words;
}

std::string wordsOf(const std::exception& error) {
  const auto* known = dynamic_cast<const c10::Error*>(&error);
  std::string words = known == nullptr ? error.what() : known->what_without_backtrace();
  // Gloo's guess at the cause.
  words.erase(std::min(words.find(". This is typically"), words.size()));
  while (!words.empty() && (words.back() == '\n' || words.back() == '.')) words.pop_back();
  return words;
}

void failRanks(const std::string& message) {
  throw Error("ERR_DISTRIBUTED", message);
}

}  // namespace torchvae
