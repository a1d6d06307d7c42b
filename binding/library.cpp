#include "library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <mutex>

#include "cuda_part.h"

namespace torchvae::binding {
namespace {

std::mutex mutex;
Engine* opened = nullptr;
LibraryPaths openedPaths;

// By absolute path: a library that another one needs is found among those already open, by its name.
void* open(const std::string& path, const char* code, const char* advice) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw Error(code, "Cannot open " + path + ": " + dlerror() + ". " + advice);
  return library;
}

// Node closes an addon when the last environment that loaded it ends, such as the last of several workers.
// The device threads outlive that, and run code of this library.
void keepThisLibrary() {
  Dl_info self;
  if (dladdr(reinterpret_cast<void*>(&keepThisLibrary), &self) != 0) {
    dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
  }
}

// The object that a library of ours makes, if it is of this torchvae version.
template <class T>
T* make(const std::string& path, const char* factoryName, int interfaceNumber) {
  void* library = open(path, "ERR_ADDON", "Reinstall torchvae, or build it from source with `npm run build`");
  using Factory = T* (*)(int);
  const auto factory = reinterpret_cast<Factory>(dlsym(library, factoryName));
  T* made = factory == nullptr ? nullptr : factory(interfaceNumber);
  if (made != nullptr) return made;
  throw Error("ERR_ADDON", "Expected interface " + std::to_string(interfaceNumber) + " in " + path +
                               " but it is of another torchvae version; reinstall torchvae");
}

// The threads of libtorch's OpenMP spin while they wait for each other. Beside another busy process the one
// that is waited for has no core to run on, and a step takes a hundred times as long; always asleep, small
// steps take twice as long. So they spin for some ten microseconds, then sleep. OpenMP reads this when it is
// loaded. What the user has set stays.
class PatientOpenMp {
 public:
  PatientOpenMp() {
    if (getenv("OMP_WAIT_POLICY") != nullptr || getenv("GOMP_SPINCOUNT") != nullptr) return;
    ours_ = setenv("GOMP_SPINCOUNT", "3000", 0) == 0;
  }
  ~PatientOpenMp() {
    if (ours_) unsetenv("GOMP_SPINCOUNT");  // child processes shall not inherit it
  }
  PatientOpenMp(const PatientOpenMp&) = delete;
  PatientOpenMp& operator=(const PatientOpenMp&) = delete;

 private:
  bool ours_ = false;
};

// Which libtorch it is. Of the others, those for CUDA may be left out.
std::string firstLibrary(const LibraryPaths& paths) {
  return paths.libtorch.empty() ? "" : paths.libtorch.front();
}

void requireSame(const std::string& open, const std::string& wanted) {
  if (open == wanted) return;
  throw Error("ERR_STATE", "This process already uses " + open + " and cannot open " + wanted +
                               " beside it; start another process for another libtorch");
}

}  // namespace

Engine& openEngine(const LibraryPaths& paths) {
  const std::lock_guard lock(mutex);
  if (opened != nullptr) {
    requireSame(openedPaths.engine, paths.engine);
    requireSame(firstLibrary(openedPaths), firstLibrary(paths));
    return *opened;
  }
  keepThisLibrary();
  const PatientOpenMp patience;
  for (const std::string& path : paths.libtorch) {
    open(path, "ERR_LIBTORCH",
         "Run `npx torchvae doctor` to see what is wrong, `npx torchvae setup --force` to install it anew");
  }
  auto* engine = make<Engine>(paths.engine, "torchvae_engine", kEngineInterface);
  if (!paths.cudaPart.empty()) {
    auto* part = make<CudaPart>(paths.cudaPart, "torchvae_cuda_part", kCudaInterface);
    part->keepPrograms(paths.programs);
    engine->attach(part);
  }
  opened = engine;
  openedPaths = paths;
  return *opened;
}

Engine& engine() {
  const std::lock_guard lock(mutex);
  if (opened == nullptr) throw Error("ERR_STATE", "The engine is not open; call open() first");
  return *opened;
}

}  // namespace torchvae::binding
