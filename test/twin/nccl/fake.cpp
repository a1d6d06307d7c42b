// A library in NCCL's place, for processes of one machine and for memory of the host: what the twin's ranks
// exchange by. As the real one does without blocking, a call comes back at once, and a thread does its work.
//
// A rank whose peer has died is left as NCCL leaves it: what it asked for counts as queued, and the stream
// never gets there.
//
//   FAKE_NCCL_VERSION=21000         the version that it says it has
//   FAKE_NCCL_FAIL=ncclAllReduce:5  the fifth of these calls fails, as it would of a broken network
//   FAKE_NCCL_LATE=ncclAllReduce:5  it fails after it came back
//   FAKE_NCCL_LAZY=1000             exchanges of that many values or more are done when the host asks whether
//   the
//                                   stream has got there
//   there FAKE_NCCL_LOG=FILE              is where each call of an exchange leaves its name and count of
//   values
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

namespace {

enum Result { kSuccess = 0, kSystemError = 2, kInvalidArgument = 4, kRemoteError = 6, kInProgress = 7 };

constexpr int kMostRanks = 8;
constexpr size_t kRoom = size_t{1} << 16;  // of a rank, in bytes; longer exchanges go in pieces

// What the processes share.
struct Board {
  std::atomic<int> come, pids[kMostRanks];
  std::atomic<int64_t> written, read;  // pieces, by all ranks
  alignas(64) char room[kMostRanks][kRoom];
};

struct Id {
  char bytes[128];
};

struct Config {
  size_t size;
  unsigned magic, version;
  int blocking;
};

// Shared by all communicators of this process.
std::atomic<bool> isStuck{false};

// Whether an exchange of so many values is put off.
bool isPutOff(size_t count) {
  const char* least = std::getenv("FAKE_NCCL_LAZY");
  return least != nullptr && count >= std::strtoul(least, nullptr, 10);
}

struct Comm {
  Comm(int its, int all) : rank(its), size(all) {}

  int rank, size;
  Board* board = nullptr;
  int64_t pieces = 0;  // done
  std::atomic<int> state{kSuccess};
  std::atomic<bool> isAborted{false};
  std::thread work;
  std::deque<std::function<void()>> putOff;

  void await(const std::function<bool()>& is) {
    while (!is() && !isAborted) {
      for (int other = 0; other < size && !isStuck; ++other) {
        const int pid = board->pids[other];
        if (pid != 0 && kill(pid, 0) != 0 && !is()) {
          isStuck = true;
          state = kSuccess;
        }
      }
      std::this_thread::yield();
    }
  }

  // Runs by the communicator's thread, after what it did before.
  int begin(const std::function<void()>& body, size_t count = 0) {
    // Behind what has failed on the device it stays queued.
    if (state != kSuccess && state != kInProgress) return kSuccess;
    if (isPutOff(count)) {
      putOff.push_back(body);
      return kSuccess;
    }
    if (work.joinable()) work.join();
    state = kInProgress;
    work = std::thread([this, body] {
      body();
      int expected = kInProgress;
      state.compare_exchange_strong(expected, kSuccess);
    });
    return kInProgress;
  }
};

// The newest of this process.
Comm* newest = nullptr;

// Whether this call is the one that the variable names.
bool isNamed(const char* variable, const char* call, int count) {
  const char* value = std::getenv(variable);
  return value != nullptr && value == std::string(call) + ":" + std::to_string(count);
}

int countOf(const char* call) {
  static std::mutex mutex;
  static std::map<std::string, int> counts;
  const std::lock_guard lock(mutex);
  return ++counts[call];
}

// What a call comes to, unless it succeeds.
int troubleOf(const char* call, Comm* comm) {
  const int count = countOf(call);
  if (isNamed("FAKE_NCCL_FAIL", call, count)) return kSystemError;
  if (comm != nullptr && isNamed("FAKE_NCCL_LATE", call, count)) {
    isStuck = true;
    comm->state = kRemoteError;
    return kSuccess;
  }
  return -1;
}

void log(const char* call, size_t count) {
  const char* path = std::getenv("FAKE_NCCL_LOG");
  if (path != nullptr) std::ofstream(path, std::ios::app) << call << ' ' << count << '\n';
}

size_t sizeOf(int type) {
  switch (type) {
    case 1:
      return 1;
    case 2:
    case 7:
      return 4;
    case 4:
    case 8:
      return 8;
    case 9:
      return 2;
    default:
      return 0;
  }
}

float fromBf16(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

uint16_t toBf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

template <class T>
void addTo(void* sum, const void* value, size_t count) {
  for (size_t i = 0; i < count; ++i) static_cast<T*>(sum)[i] += static_cast<const T*>(value)[i];
}

void add(int type, void* sum, const void* value, size_t bytes) {
  const size_t count = bytes / sizeOf(type);
  if (type == 1) return addTo<uint8_t>(sum, value, count);
  if (type == 2) return addTo<int32_t>(sum, value, count);
  if (type == 4) return addTo<int64_t>(sum, value, count);
  if (type == 7) return addTo<float>(sum, value, count);
  if (type == 8) return addTo<double>(sum, value, count);
  auto* to = static_cast<uint16_t*>(sum);
  for (size_t i = 0; i < count; ++i)
    to[i] = toBf16(fromBf16(to[i]) + fromBf16(static_cast<const uint16_t*>(value)[i]));
}

// All ranks show a piece, then each takes what `take` makes of them.
void inPieces(Comm& comm, const char* from, size_t bytes, const std::function<void(size_t, size_t)>& take) {
  Board& board = *comm.board;
  for (size_t at = 0; at < bytes && !comm.isAborted; at += kRoom) {
    const size_t length = std::min(kRoom, bytes - at);
    comm.await([&] { return board.read >= comm.pieces * comm.size; });
    std::memcpy(board.room[comm.rank], from + at, length);
    ++comm.pieces;
    ++board.written;
    comm.await([&] { return board.written >= comm.pieces * comm.size; });
    if (comm.isAborted) return;
    take(at, length);
    ++board.read;
  }
}

}  // namespace

extern "C" {

int ncclGetVersion(int* version) {
  const char* said = std::getenv("FAKE_NCCL_VERSION");
  *version = said == nullptr ? 22703 : std::atoi(said);
  return kSuccess;
}

int ncclGetUniqueId(Id* id) {
  if (const int trouble = troubleOf("ncclGetUniqueId", nullptr); trouble >= 0) return trouble;
  static int ids = 0;
  std::snprintf(id->bytes, sizeof id->bytes, "/fake-nccl-%d-%d", getpid(), ids++);
  const int file = shm_open(id->bytes, O_RDWR | O_CREAT | O_EXCL, 0600);
  if (file < 0 || ftruncate(file, sizeof(Board)) != 0) return kSystemError;
  close(file);
  return kSuccess;
}

int ncclCommInitRankConfig(Comm** made, int size, Id id, int rank, Config* config) {
  const bool isPlain = config->magic == 0xcafebeef && config->version >= 21400 && config->blocking == 0;
  if (!isPlain || size > kMostRanks || rank >= size) return kInvalidArgument;
  if (const int trouble = troubleOf("ncclCommInitRankConfig", nullptr); trouble >= 0) return trouble;
  Comm* comm = *made = new Comm(rank, size);
  newest = comm;
  return comm->begin([comm, id] {
    const int file = shm_open(id.bytes, O_RDWR, 0600);
    void* place = mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (file < 0 || place == MAP_FAILED) {
      comm->state = kSystemError;
      return;
    }
    close(file);
    comm->board = static_cast<Board*>(place);
    comm->board->pids[comm->rank] = getpid();
    ++comm->board->come;
    comm->await([comm] { return comm->board->come >= comm->size; });
    if (comm->rank == 0) shm_unlink(id.bytes);
  });
}

int ncclAllReduce(const void* from, void* to, size_t count, int type, int operation, Comm* comm, void*) {
  if (sizeOf(type) == 0 || operation != 0) return kInvalidArgument;
  log("ncclAllReduce", count);
  if (const int trouble = troubleOf("ncclAllReduce", comm); trouble >= 0) return trouble;
  return comm->begin(
      [=] {
        const Board& board = *comm->board;
        inPieces(*comm, static_cast<const char*>(from), count * sizeOf(type), [&](size_t at, size_t length) {
          char* place = static_cast<char*>(to) + at;
          std::memcpy(place, board.room[0], length);
          for (int rank = 1; rank < comm->size; ++rank) add(type, place, board.room[rank], length);
        });
      },
      count);
}

int ncclBroadcast(const void* from, void* to, size_t count, int type, int root, Comm* comm, void*) {
  if (sizeOf(type) == 0) return kInvalidArgument;
  log("ncclBroadcast", count);
  if (const int trouble = troubleOf("ncclBroadcast", comm); trouble >= 0) return trouble;
  return comm->begin(
      [=] {
        inPieces(*comm, static_cast<const char*>(from), count * sizeOf(type), [&](size_t at, size_t length) {
          std::memcpy(static_cast<char*>(to) + at, comm->board->room[root], length);
        });
      },
      count);
}

int ncclCommGetAsyncError(Comm* comm, int* state) {
  *state = comm->state;
  return kSuccess;
}

int ncclCommAbort(Comm* comm) {
  comm->isAborted = true;
  if (comm->work.joinable()) comm->work.join();
  isStuck = false;
  if (newest == comm) newest = nullptr;
  if (comm->board != nullptr) munmap(comm->board, sizeof(Board));
  delete comm;
  return kSuccess;
}

const char* ncclGetErrorString(int result) {
  return result == kSystemError   ? "unhandled system error (run with NCCL_DEBUG=INFO for details)"
         : result == kRemoteError ? "remote process exited or there was a network error"
                                  : "invalid argument";
}

const char* ncclGetLastError(Comm*) {
  return "";
}

// Of the twin: whether the stream has done all that it was asked for.
int fakeNcclIsIdle() {
  for (; newest != nullptr && !newest->putOff.empty(); newest->putOff.pop_front()) newest->putOff.front()();
  return isStuck ? 0 : 1;
}
}
