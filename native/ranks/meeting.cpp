#include "ranks/meeting.h"

#include <ATen/Parallel.h>
#include <c10/util/Logging.h>
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "error.h"
#include "ranks/words.h"

// The rest of what is taken of c10d, with names by which it can be looked for.
extern "C" {
#define TORCHVAE_WEAK(name, symbol) extern char name __asm__(symbol) __attribute__((weak));
#define TORCHVAE_STRING "NSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE"
TORCHVAE_WEAK(torchvaeTcpStore, "_ZN4c10d8TCPStoreC1E" TORCHVAE_STRING "RKNS_15TCPStoreOptionsE")
TORCHVAE_WEAK(torchvaePrefixStore,
              "_ZN4c10d11PrefixStoreC1E" TORCHVAE_STRING
              "N3c1013intrusive_ptrINS_5StoreENS7_6detail34intrusive_target_default_null_typeIS9_EEEE")
TORCHVAE_WEAK(
    torchvaeGlooOptions,
    "_ZN4c10d16ProcessGroupGloo7Options14create_defaultENSt6chrono8durationIlSt5ratioILl1ELl1000EEEE")
TORCHVAE_WEAK(torchvaeGloo,
              "_ZN4c10d16ProcessGroupGlooC1ERKN3c1013intrusive_ptrINS_5StoreENS1_6detail34intrusive_target_"
              "default_null_typeIS3_EEEEiiNS2_INS0_7OptionsENS5_ISA_EEEE")
#undef TORCHVAE_STRING
#undef TORCHVAE_WEAK
}

namespace torchvae {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kGlance{50};
// How long the store may take to answer.
constexpr std::chrono::seconds kAnswer{10};
// How long ranks that have lost one wait for signs of life of the others.
constexpr milliseconds kRollCall{2000};
const std::string kLoss = "loss";

void requireC10d() {
  const char* const taken[] = {&torchvaeTcpStore, &torchvaePrefixStore, &torchvaeGlooOptions, &torchvaeGloo};
  if (std::all_of(std::begin(taken), std::end(taken), [](const char* place) { return place != nullptr; }))
    return;
  Dl_info info{};
  const bool isFound = dladdr(reinterpret_cast<void*>(&at::get_num_threads), &info) != 0;
  failRanks("The libtorch in use" + (isFound ? ", " + std::string(info.dli_fname) + "," : std::string()) +
            " was built without c10d and Gloo, which training by several processes needs; use a libtorch of "
            "PyTorch's own wheels (`npx torchvae setup`), or train with distributed: 'off'");
}

// While one lives, c10d logs no stack for each of its exceptions, which come in words.
class Quiet {
 public:
  Quiet() { FLAGS_caffe2_log_level = c10::GLOG_FATAL; }
  ~Quiet() { FLAGS_caffe2_log_level = before_; }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;

 private:
  int before_ = FLAGS_caffe2_log_level;
};

// Those of `size` ranks that have not left this key in the store.
std::vector<int> ranksWithout(c10d::Store& store, const std::string& key, int size) {
  std::vector<int> without;
  for (int rank = 0; rank < size; ++rank) {
    if (!store.check({key + std::to_string(rank)})) without.push_back(rank);
  }
  return without;
}

// The way of a process to the others.
class Meeting {
 public:
  Meeting(const RanksSettings& settings, const std::atomic<bool>& abort)
      : settings_(settings),
        abort_(abort),
        end_(Clock::now() + milliseconds(static_cast<int64_t>(settings.seconds * 1000))) {}

  Met meet() {
    openStore();
    awaitAll();
    try {
      // At least this much: to connect takes no time where machines reach each other, and all there is where
      // not.
      const auto options = c10d::ProcessGroupGloo::Options::create_default(
          std::max<milliseconds>(left(), std::chrono::seconds(10)));
      return {store_,
              c10::make_intrusive<c10d::ProcessGroupGloo>(store_, settings_.rank, settings_.size, options)};
    } catch (const std::exception& error) {
      failRanks(name() + " cannot connect to the other ranks: " + wordsOf(error) +
                ". The machines must reach each other by all ports; GLOO_SOCKET_IFNAME names the network "
                "interface to use");
    }
  }

 private:
  std::string name() const { return nameOf(settings_); }
  std::string place() const { return settings_.host + ":" + std::to_string(settings_.port); }
  milliseconds left() const { return std::chrono::duration_cast<milliseconds>(end_ - Clock::now()); }

  void checkAbort() const {
    if (abort_.load())
      throw Error("ERR_ABORTED", name() + " was aborted while it waited for the other ranks");
  }

  void openStore() {
    c10d::TCPStoreOptions options;
    options.port = static_cast<uint16_t>(settings_.port);
    options.isServer = settings_.rank == 0 && !settings_.isServed;
    options.waitWorkers = false;
    options.timeout = kAnswer;
    const Quiet quiet;
    try {
      const auto served = c10::make_intrusive<c10d::TCPStore>(settings_.host, options);
      store_ = c10::make_intrusive<c10d::PrefixStore>("torchvae/" + settings_.prefix, served);
    } catch (const std::exception& error) {
      const std::string words = wordsOf(error);
      if (options.isServer) {
        failRanks(
            name() + " cannot serve the meeting at " + place() + " (MASTER_ADDR:MASTER_PORT): " + words +
            ". MASTER_ADDR must be an address of the machine of rank 0, and MASTER_PORT a port that is free "
            "there");
      }
      failRanks(name() + " found no meeting at " + place() + " (MASTER_ADDR:MASTER_PORT): " + words +
                ". Check that rank 0 runs, and that its address and port are right");
    }
  }

  void awaitAll() {
    const std::string mine = "rank/" + std::to_string(settings_.rank);
    try {
      if (store_->add(mine, 1) > 1) {
        failRanks("Two processes say that they are rank " + std::to_string(settings_.rank) + " of " +
                  std::to_string(settings_.size) + "; give each its own RANK");
      }
      store_->add("come", 1);
      while (store_->add("come", 0) < settings_.size) {
        checkAbort();
        if (left() <= milliseconds::zero()) failForMissing();
        std::this_thread::sleep_for(kGlance);
      }
    } catch (const c10::Error& error) {
      failRanks(name() + " lost the meeting at " + place() + ": " + wordsOf(error) +
                ". Look at the errors of the other ranks");
    }
  }

  [[noreturn]] void failForMissing() {
    failRanks(name() + " waited " + seconds() + " for all ranks at " + place() + ", and missed " +
              inWords(ranksWithout(*store_, "rank/", settings_.size)) +
              ". Start all of them with the same WORLD_SIZE, MASTER_ADDR and MASTER_PORT, or wait longer "
              "(distributedTimeout)");
  }

  std::string seconds() const {
    std::ostringstream words;
    words << settings_.seconds << " s";
    return words.str();
  }

  const RanksSettings& settings_;
  const std::atomic<bool>& abort_;
  Clock::time_point end_;
  c10::intrusive_ptr<c10d::Store> store_;
};

}  // namespace

Met meet(const RanksSettings& settings, const std::atomic<bool>& abort) {
  requireC10d();
  return Meeting(settings, abort).meet();
}

std::string whomLost(const RanksSettings& settings, c10d::Store& store) {
  const Quiet quiet;
  try {
    store.add(kLoss, 1);
    store.add("alive/" + std::to_string(settings.rank), 1);
    std::this_thread::sleep_for(kRollCall);
    const std::vector<int> silent = ranksWithout(store, "alive/", settings.size);
    // Who serves the store leaves last.
    if (settings.rank == 0 && !settings.isServed) std::this_thread::sleep_for(kRollCall);
    return silent.empty() ? "its connection to another rank" : inWords(silent);
  } catch (const std::exception&) {
    return settings.isServed ? "another rank, and its launcher" : "rank 0, where they met";
  }
}

void requireNoLoss(c10d::Store& store) {
  const Quiet quiet;
  if (store.check({kLoss})) throw std::runtime_error("the others have lost it");
}

}  // namespace torchvae
