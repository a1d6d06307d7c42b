// How ranks are named, and what is said of them.
#pragma once

#include <exception>
#include <string>
#include <vector>

#include "engine.h"

namespace torchvae {

// "Rank 1 of 3".
std::string nameOf(const RanksSettings& settings);

// "rank 1", "ranks 1, 2 and 30 more".
std::string inWords(const std::vector<int>& ranks);

// What c10d says, without where in its sources it says so and what it guesses.
std::string wordsOf(const std::exception& error);

// Throws ERR_DISTRIBUTED.
[[noreturn]] void failRanks(const std::string& message);

}  // namespace torchvae
