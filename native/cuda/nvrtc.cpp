#include "cuda/nvrtc.h"

#include <ATen/Context.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <nvrtc.h>

#include "cuda/sources.h"
#include "error.h"

namespace torchvae {
namespace {

template <class F>
void find(void* library, const char* name, F& function) {
  function = reinterpret_cast<F>(dlsym(library, name));
  if (function == nullptr) throw Error("ERR_DEVICE", std::string("CUDA's library lacks ") + name);
}

// libnvrtc: already open, or opened on libtorch's behalf, or beside the CUDA runtime in NVIDIA's packages.
void* openNvrtc() {
  const std::string name = "libnvrtc.so." + std::to_string(CUDART_VERSION / 1000);
  if (void* open = dlopen(name.c_str(), RTLD_NOW | RTLD_NOLOAD)) return open;
  try {
    at::Context::getNVRTC();
    if (void* open = dlopen(name.c_str(), RTLD_NOW | RTLD_NOLOAD)) return open;
  } catch (const std::exception&) {
    // libtorch's own way did not lead there; the others may.
  }
  Dl_info runtime{};
  if (dladdr(reinterpret_cast<void*>(&cudaGetDeviceCount), &runtime) != 0 && runtime.dli_fname != nullptr) {
    const std::string path = runtime.dli_fname;
    const std::string folder = path.substr(0, path.rfind('/') + 1);
    for (const std::string& place : {folder, folder + "../../cuda_nvrtc/lib/"}) {
      if (void* open = dlopen((place + name).c_str(), RTLD_NOW)) return open;
    }
  }
  if (void* open = dlopen(name.c_str(), RTLD_NOW)) return open;
  throw Error("ERR_DEVICE",
              "Expected " + name +
                  " among libtorch's libraries but did not find it; run `npx torchvae setup --build cuda`");
}

struct Nvrtc {
  Nvrtc() {
    void* library = openNvrtc();
    find(library, "nvrtcVersion", version);
    find(library, "nvrtcCreateProgram", createProgram);
    find(library, "nvrtcCompileProgram", compileProgram);
    find(library, "nvrtcGetProgramLogSize", getProgramLogSize);
    find(library, "nvrtcGetProgramLog", getProgramLog);
    find(library, "nvrtcGetCUBINSize", getCubinSize);
    find(library, "nvrtcGetCUBIN", getCubin);
    find(library, "nvrtcDestroyProgram", destroyProgram);
    find(library, "nvrtcGetErrorString", getErrorString);
  }
  void check(nvrtcResult status, const std::string& log = "") const {
    if (status == NVRTC_SUCCESS) return;
    throw Error("ERR_DEVICE", std::string("NVRTC could not compile the kernels: ") + getErrorString(status) +
                                  (log.empty() ? "" : "\n" + log));
  }

  decltype(&nvrtcVersion) version;
  decltype(&nvrtcCreateProgram) createProgram;
  decltype(&nvrtcCompileProgram) compileProgram;
  decltype(&nvrtcGetProgramLogSize) getProgramLogSize;
  decltype(&nvrtcGetProgramLog) getProgramLog;
  decltype(&nvrtcGetCUBINSize) getCubinSize;
  decltype(&nvrtcGetCUBIN) getCubin;
  decltype(&nvrtcDestroyProgram) destroyProgram;
  decltype(&nvrtcGetErrorString) getErrorString;
};

const Nvrtc& compiler() {
  static const Nvrtc nvrtc;
  return nvrtc;
}

const char* textOf(const std::string& file) {
  for (const KernelSource& source : kKernelPrograms) {
    if (file == source.name) return source.text;
  }
  throw Error("ERR_INTERNAL", "No program is named " + file);
}

std::vector<std::string> optionsOf(const Program& program) {
  std::vector<std::string> options = {"--gpu-architecture=sm_" + std::to_string(program.capability),
                                      "--std=c++17", "--device-as-default-execution-space"};
  for (const std::string& definition : program.definitions) options.push_back("-D" + definition);
  return options;
}

}  // namespace

std::string keyOf(const Program& program) {
  int major = 0, minor = 0;
  compiler().check(compiler().version(&major, &minor));
  std::string key = std::string(kKernelDigest) + ' ' + program.file + " NVRTC " + std::to_string(major) +
                    '.' + std::to_string(minor);
  for (const std::string& option : optionsOf(program)) key += ' ' + option;
  return key;
}

std::vector<char> compileProgram(const Program& program) {
  const Nvrtc& nvrtc = compiler();
  std::vector<const char*> names, texts, options;
  for (const KernelSource& source : kKernelHeaders) {
    names.push_back(source.name);
    texts.push_back(source.text);
  }
  nvrtcProgram compiled = nullptr;
  nvrtc.check(nvrtc.createProgram(&compiled, textOf(program.file), program.file.c_str(),
                                  static_cast<int>(names.size()), texts.data(), names.data()));
  const std::vector<std::string> words = optionsOf(program);
  for (const std::string& word : words) options.push_back(word.c_str());
  nvrtcResult status = nvrtc.compileProgram(compiled, static_cast<int>(options.size()), options.data());
  std::vector<char> image;
  std::string log;
  size_t size = 0;
  if (status == NVRTC_SUCCESS) {
    status = nvrtc.getCubinSize(compiled, &size);
    image.resize(size);
    if (status == NVRTC_SUCCESS) status = nvrtc.getCubin(compiled, image.data());
  } else if (nvrtc.getProgramLogSize(compiled, &size) == NVRTC_SUCCESS) {
    log.resize(size);
    nvrtc.getProgramLog(compiled, log.data());
  }
  nvrtc.destroyProgram(&compiled);
  nvrtc.check(status, log);
  return image;
}

Driver::Driver() {
  void* library = dlopen("libcuda.so.1", RTLD_NOW);
  if (library == nullptr) throw Error("ERR_DEVICE", "The NVIDIA driver's libcuda.so.1 could not be opened");
  find(library, "cuModuleLoadData", moduleLoadData_);
  find(library, "cuModuleGetFunction", moduleGetFunction_);
  find(library, "cuFuncSetAttribute", funcSetAttribute_);
  find(library, "cuLaunchKernelEx", launchKernel_);
  find(library, "cuGetErrorString", getErrorString_);
}

void Driver::check(CUresult status, const char* what) const {
  if (status == CUDA_SUCCESS) return;
  const char* text = nullptr;
  getErrorString_(status, &text);
  throw Error("ERR_DEVICE", std::string(what) + " failed: " + (text == nullptr ? "unknown error" : text));
}

CUmodule Driver::load(const std::vector<char>& image) const {
  CUmodule module = nullptr;
  check(moduleLoadData_(&module, image.data()), "Loading the kernels");
  return module;
}

CUfunction Driver::function(CUmodule module, const std::string& name) const {
  CUfunction function = nullptr;
  check(moduleGetFunction_(&function, module, name.c_str()), ("Finding the kernel " + name).c_str());
  return function;
}

void Driver::allowShared(CUfunction function, int64_t bytes) const {
  check(funcSetAttribute_(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, static_cast<int>(bytes)),
        "Giving a kernel its shared memory");
  // All of a multiprocessor's memory that can be shared: one that has to change its share for the next kernel
  // finishes the one before first, and these begin while that one runs.
  check(funcSetAttribute_(function, CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, 100),
        "Giving a kernel its shared memory");
}

void Driver::launch(CUfunction function, const LaunchShape& shape, CUstream stream, void** arguments) const {
  CUlaunchAttribute early{};
  early.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
  early.value.programmaticStreamSerializationAllowed = 1;
  CUlaunchConfig config{};
  config.gridDimX = static_cast<unsigned>(shape.blocks);
  config.gridDimY = config.gridDimZ = 1;
  config.blockDimX = static_cast<unsigned>(shape.threads);
  config.blockDimY = config.blockDimZ = 1;
  config.sharedMemBytes = static_cast<unsigned>(shape.sharedBytes);
  config.hStream = stream;
  config.attrs = &early;
  config.numAttrs = shape.early ? 1 : 0;
  check(launchKernel_(&config, function, arguments, nullptr), "Launching a kernel");
}

}  // namespace torchvae
