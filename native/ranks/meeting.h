// How processes that train one model together find each other: by a store of keys at an address that all
// know.
#pragma once

// Gloo's classes are there for builds of c10d that have it.
#define USE_C10D_GLOO
#include <string>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "engine.h"

// All of c10d is taken weakly, here and in meeting.cpp: the engine shall also open with a libtorch that was
// built without it. This is what its pointers call since libtorch 2.14.
__asm__(".weak _ZNK4c10d7Backend15decref_pyobjectEv");

namespace torchvae {

struct Met {
  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group;
};

// See Engine::join.
Met meet(const RanksSettings& settings, const std::atomic<bool>& abort);

// Whom the others have lost, in words, once the group of a meeting has failed: those who do not answer. Each
// process that lives finds out at about the same time, and asks.
std::string whomLost(const RanksSettings& settings, c10d::Store& store);

// Throws where a process has asked whom it lost, or where nobody answers any more.
void requireNoLoss(c10d::Store& store);

}  // namespace torchvae
