#include "library.h"

#include <dlfcn.h>

#include <mutex>

namespace torchvae::binding {
namespace {

std::mutex mutex;
Engine* opened = nullptr;
std::string openedPath;

// By absolute path: a library that another one needs is found among those already open, by its name.
void* open(const std::string& path, const char* code, const char* advice) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw Error(code, "Cannot open " + path + ": " + dlerror() + ". " + advice);
  return library;
}

}  // namespace

Engine& openEngine(const LibraryPaths& paths) {
  const std::lock_guard lock(mutex);
  if (opened != nullptr) {
    if (openedPath == paths.engine) return *opened;
    throw Error("ERR_STATE", "This process already uses " + openedPath + " and cannot open " + paths.engine +
                                 " beside it; start another process for another libtorch");
  }
  for (const std::string& path : paths.libtorch) {
    open(path, "ERR_LIBTORCH", "Run `npx torchvae doctor` to see what is wrong, `npx torchvae setup --force` to install it anew");
  }
  void* library = open(paths.engine, "ERR_ADDON", "Reinstall torchvae, or build it from source with `npm run build`");
  using Factory = Engine* (*)(int);
  const auto factory = reinterpret_cast<Factory>(dlsym(library, "torchvae_engine"));
  Engine* engine = factory == nullptr ? nullptr : factory(kEngineInterface);
  if (engine == nullptr) {
    throw Error("ERR_ADDON", "Expected an engine of interface " + std::to_string(kEngineInterface) + " in " +
                                 paths.engine + " but it is of another torchvae version; reinstall torchvae");
  }
  opened = engine;
  openedPath = paths.engine;
  return *opened;
}

Engine& engine() {
  const std::lock_guard lock(mutex);
  if (opened == nullptr) throw Error("ERR_STATE", "The engine is not open; call open() first");
  return *opened;
}

}  // namespace torchvae::binding
