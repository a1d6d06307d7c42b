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

  decltype(&nvrtcCreateProgram) createProgram;
  decltype(&nvrtcCompileProgram) compileProgram;
  decltype(&nvrtcGetProgramLogSize) getProgramLogSize;
  decltype(&nvrtcGetProgramLog) getProgramLog;
  decltype(&nvrtcGetCUBINSize) getCubinSize;
  decltype(&nvrtcGetCUBIN) getCubin;
  decltype(&nvrtcDestroyProgram) destroyProgram;
  decltype(&nvrtcGetErrorString) getErrorString;
};

}  // namespace

std::vector<char> compileKernels(int capability, const std::string& suffix) {
  static const Nvrtc nvrtc;
  std::vector<const char*> names, texts;
  for (const KernelSource& source : kKernelHeaders) {
    names.push_back(source.name);
    texts.push_back(source.text);
  }
  nvrtcProgram program = nullptr;
  nvrtc.check(nvrtc.createProgram(&program, kKernelProgram, "torchvae.cu", static_cast<int>(names.size()),
                                  texts.data(), names.data()));
  const std::string architecture = "--gpu-architecture=sm_" + std::to_string(capability);
  const std::string named = "-DTORCHVAE_SUFFIX=" + suffix;
  const std::string typed = std::string("-DTORCHVAE_TYPE=") + (suffix == "_f32"    ? "float"
                                                               : suffix == "_bf16" ? "Bf16"
                                                                                   : "double");
  const char* options[] = {architecture.c_str(), "--std=c++17", named.c_str(), typed.c_str()};
  nvrtcResult status = nvrtc.compileProgram(program, 4, options);
  std::vector<char> image;
  std::string log;
  size_t size = 0;
  if (status == NVRTC_SUCCESS) {
    status = nvrtc.getCubinSize(program, &size);
    image.resize(size);
    if (status == NVRTC_SUCCESS) status = nvrtc.getCubin(program, image.data());
  } else if (nvrtc.getProgramLogSize(program, &size) == NVRTC_SUCCESS) {
    log.resize(size);
    nvrtc.getProgramLog(program, log.data());
  }
  nvrtc.destroyProgram(&program);
  nvrtc.check(status, log);
  return image;
}

Driver::Driver() {
  void* library = dlopen("libcuda.so.1", RTLD_NOW);
  if (library == nullptr) throw Error("ERR_DEVICE", "The NVIDIA driver's libcuda.so.1 could not be opened");
  find(library, "cuModuleLoadData", moduleLoadData_);
  find(library, "cuModuleGetFunction", moduleGetFunction_);
  find(library, "cuLaunchKernel", launchKernel_);
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

void Driver::launch(CUfunction function, unsigned blocks, unsigned threads, CUstream stream,
                    void** arguments) const {
  check(launchKernel_(function, blocks, 1, 1, threads, 1, 1, 0, stream, arguments, nullptr),
        "Launching a kernel");
}

}  // namespace torchvae
