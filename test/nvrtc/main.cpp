// Compiles the kernels' text, as the CUDA part holds it, with NVRTC; no GPU is needed.
//   nvrtc_check LIBNVRTC CAPABILITY...     such as /usr/lib/libnvrtc.so.13 80 90
// Prints a line for each program: the capability, the program, its constants, the bytes of machine code and
// the seconds that they took; under it one for each kernel: registers, bytes of spills, bytes of shared
// memory. The last line counts both. Fails with the compiler's words, and where a kernel spills or lacks.
#include <dlfcn.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <regex>
#include <string>
#include <vector>

#include "cuda/sources.h"

namespace {

using Program = void*;
void* library = nullptr;

// NVRTC's functions return 0 for success; its header is not at hand in a CPU build.
template <class... A>
int call(const char* name, A... arguments) {
  const auto function = reinterpret_cast<int (*)(A...)>(dlsym(library, name));
  if (function == nullptr) {
    std::fprintf(stderr, "no %s\n", name);
    std::exit(2);
  }
  return function(arguments...);
}

const char* textOf(const std::string& name) {
  for (const torchvae::KernelSource& source : torchvae::kKernelPrograms) {
    if (name == source.name) return source.text;
  }
  std::fprintf(stderr, "no program %s\n", name.c_str());
  std::exit(2);
}

struct Case {
  const char* name;
  const char* program;
  std::vector<std::string> definitions;
  std::vector<std::string> kernels;
};

std::vector<std::string> kernelsOfAll(const std::string& suffix) {
  return {
#define TORCHVAE_KERNEL(name, Arguments, threads) #name + suffix,
#include "kernels/list.h"
#undef TORCHVAE_KERNEL
  };
}
#define TORCHVAE_KERNEL(name, Arguments, threads) #name,
#define TORCHVAE_BY_STRIPS
#define TORCHVAE_OUTPUT_ALONE
const std::vector<std::string> kKernelsByStrips = {
#include "kernels/perceptron_list.h"
};
#undef TORCHVAE_BY_STRIPS
#define TORCHVAE_BY_ROWS
const std::vector<std::string> kKernelsByRows = {
#include "kernels/perceptron_list.h"
};
#undef TORCHVAE_OUTPUT_ALONE
#define TORCHVAE_OUTPUT_AND_BACK
const std::vector<std::string> kKernelsOfFewLayers = {
#include "kernels/perceptron_list.h"
};
#undef TORCHVAE_KERNEL

// The constants are those of kernels/perceptron.cpp.
struct RowTiles {
  int blockRows = 0, rowTiles = 1, outTiles = 0;
};
std::vector<std::string> perceptron(int precision, int tile, const RowTiles& rows, int encoder, int decoder,
                                    int likelihood, int vector = 4) {
  return {"PRECISION=" + std::to_string(precision),
          "TILE=" + std::to_string(tile),
          "OUTPUT_TILE=" + std::to_string(tile < 4 ? tile + 1 : tile),
          "VECTOR=" + std::to_string(vector),
          "ENCODER_ACTIVATION=" + std::to_string(encoder),
          "DECODER_ACTIVATION=" + std::to_string(decoder),
          "LIKELIHOOD=" + std::to_string(likelihood),
          "STAGES=4",
          "BLOCK_ROWS=" + std::to_string(rows.blockRows),
          "ROW_TILES=" + std::to_string(rows.rowTiles),
          "OUT_TILES=" + std::to_string(rows.outTiles)};
}
std::vector<std::string> weights(int precision, int tile, int optimizer, int vector = 4) {
  return {"PRECISION=" + std::to_string(precision), "TILE=" + std::to_string(7 + tile),
          "VECTOR=" + std::to_string(vector), "OPTIMIZER_KIND=" + std::to_string(optimizer)};
}

std::vector<std::string> conv(int precision, int tile, int vector) {
  return {"PRECISION=" + std::to_string(precision), "TILE=" + std::to_string(tile),
          "VECTOR=" + std::to_string(vector)};
}

struct Vectors {
  int seen, weights, group;
};
std::vector<std::string> images(int precision, int tile, const Vectors& vectors, int activation, bool isUp) {
  return {"PRECISION=" + std::to_string(precision), "TILE=" + std::to_string(tile),
          "VECTOR=" + std::to_string(vectors.seen), "WEIGHT_VECTOR=" + std::to_string(vectors.weights),
          "GROUP=" + std::to_string(vectors.group), "ACTIVATION_KIND=" + std::to_string(activation),
          "UP=" + std::to_string(isUp ? 1 : 0)};
}

std::vector<std::string> block(int encoder, int decoder, int likelihood, int optimizer) {
  return {"ENCODER_ACTIVATION=" + std::to_string(encoder), "DECODER_ACTIVATION=" + std::to_string(decoder),
          "LIKELIHOOD=" + std::to_string(likelihood), "OPTIMIZER_KIND=" + std::to_string(optimizer)};
}

std::vector<Case> allCases() {
  std::vector<Case> cases = {
      {"f32", "all.cu", {"SUFFIX=_f32", "TYPE=float"}, kernelsOfAll("_f32")},
      {"bf16", "all.cu", {"SUFFIX=_bf16", "TYPE=Bf16"}, kernelsOfAll("_bf16")},
      {"f64", "all.cu", {"SUFFIX=_f64", "TYPE=double"}, kernelsOfAll("_f64")},
  };
  static constexpr const char* kPrecisions[] = {"float32", "tf32", "bf16"};
  static constexpr const char* kStrips[] = {"float32-strips", "tf32-strips", "bf16-strips"};
  // 784-400-20-400-784, relu, Bernoulli, Adam: a batch of 128.
  for (int precision = 0; precision < 3; ++precision) {
    const RowTiles rows{1, 1, precision == 2 ? 8 : 7};
    cases.push_back({kPrecisions[precision], "perceptron.cu", perceptron(precision, 0, rows, 1, 1, 0),
                     kKernelsOfFewLayers});
    cases.push_back(
        {kStrips[precision], "perceptron.cu", perceptron(precision, 0, {}, 1, 1, 0), kKernelsByStrips});
    cases.push_back({kPrecisions[precision], "weights.cu", weights(precision, 3, 1), {"weights"}});
  }
  // Further tiles, activations that differ (GELU, SiLU; tanh, ELU), likelihoods, optimizers.
  cases.push_back({"batch-256", "perceptron.cu", perceptron(0, 1, {2, 2, 7}, 2, 4, 2), kKernelsOfFewLayers});
  cases.push_back({"batch-512", "perceptron.cu", perceptron(0, 2, {4, 4, 6}, 7, 8, 1), kKernelsOfFewLayers});
  cases.push_back({"batch-1024", "perceptron.cu", perceptron(0, 3, {8, 4, 8}, 1, 1, 3), kKernelsOfFewLayers});
  cases.push_back({"layers", "perceptron.cu", perceptron(0, 2, {8, 1, 0}, 1, 1, 0), kKernelsByRows});
  cases.push_back({"strips", "perceptron.cu", perceptron(0, 4, {}, 2, 4, 2), kKernelsByStrips});
  // Widths that are no multiple of 4.
  cases.push_back({"odd", "perceptron.cu", perceptron(0, 0, {1, 1, 2}, 1, 1, 0, 1), kKernelsOfFewLayers});
  cases.push_back({"odd-strips", "perceptron.cu", perceptron(0, 0, {}, 1, 1, 0, 1), kKernelsByStrips});
  cases.push_back({"odd", "weights.cu", weights(0, 3, 1, 1), {"weights"}});
  for (int optimizer = 0; optimizer < 6; ++optimizer)
    cases.push_back({"optimizer", "weights.cu", weights(0, optimizer % 4, optimizer), {"weights"}});
  // Convolutions of 1 and of 32 channels in float32, of color images in all precisions.
  cases.push_back({"gray", "conv.cu", conv(0, 7, 1), {"convWeights"}});
  cases.push_back({"channels", "conv.cu", conv(0, 10, 4), {"convWeights"}});
  for (int precision = 0; precision < 3; ++precision)
    cases.push_back(
        {kPrecisions[precision], "conv.cu", conv(precision, 11, precision == 2 ? 8 : 4), {"convWeights"}});
  // The images of the same, both ways; relu, GELU, none.
  const auto addImages = [&](const char* name, const std::vector<std::string>& constants) {
    cases.push_back({name, "conv_images.cu", constants, {"convImages"}});
  };
  addImages("gray", images(0, 13, {1, 1, 4}, 1, false));
  addImages("gray", images(0, 12, {4, 1, 1}, 0, true));
  addImages("channels", images(0, 4, {4, 4, 4}, 2, false));
  addImages("tf32", images(1, 13, {4, 4, 4}, 1, true));
  addImages("bf16", images(2, 13, {8, 8, 4}, 1, false));
  addImages("bf16", images(2, 12, {8, 8, 4}, 0, true));
  addImages("odd", images(0, 13, {1, 1, 1}, 2, true));
  // Whole models: Adam, relu, Bernoulli; other optimizers with other activations and likelihoods.
  cases.push_back({"block", "block.cu", block(1, 1, 0, 1), {"trainBlock"}});
  cases.push_back({"block", "block.cu", block(7, 8, 1, 0), {"trainBlock"}});
  cases.push_back({"block", "block.cu", block(2, 4, 2, 3), {"trainBlock"}});
  cases.push_back({"block", "block.cu", block(5, 1, 3, 4), {"trainBlock"}});
  return cases;
}

// What ptxas -v says of each kernel. Returns the bytes that were spilt.
long report(const std::string& log) {
  static const std::regex pattern(
      "Function properties for (\\w+)\\s+ptxas[ .]*(\\d+) bytes stack frame, (\\d+) bytes spill stores, "
      "(\\d+) bytes spill "
      "loads\\s+[^\\n]*Used (\\d+) registers[^\\n]*");
  static const std::regex shared("(\\d+) bytes smem");
  long spills = 0;
  for (std::sregex_iterator it(log.begin(), log.end(), pattern), end; it != end; ++it) {
    const std::string whole = it->str();
    std::smatch smem;
    const long bytes = std::regex_search(whole, smem, shared) ? std::stol(smem[1]) : 0;
    std::printf(
        "  %s: %s registers, %s bytes of stack, %s + %s bytes of spills, %ld bytes of shared memory\n",
        it->str(1).c_str(), it->str(5).c_str(), it->str(2).c_str(), it->str(3).c_str(), it->str(4).c_str(),
        bytes);
    spills += std::stol((*it)[3]) + std::stol((*it)[4]);
  }
  return spills;
}

std::string joined(const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& word : words) all += " " + word;
  return all;
}

bool compile(const std::string& capability, const Case& wanted) {
  std::vector<const char*> names, texts;
  for (const torchvae::KernelSource& source : torchvae::kKernelHeaders) {
    names.push_back(source.name);
    texts.push_back(source.text);
  }
  Program program = nullptr;
  call("nvrtcCreateProgram", &program, textOf(wanted.program), wanted.program, static_cast<int>(names.size()),
       texts.data(), names.data());
  std::vector<std::string> options = {"--gpu-architecture=sm_" + capability, "--std=c++17",
                                      "--device-as-default-execution-space", "--ptxas-options=-v"};
  for (const std::string& definition : wanted.definitions) options.push_back("-DTORCHVAE_" + definition);
  std::vector<const char*> words;
  for (const std::string& option : options) words.push_back(option.c_str());
  const auto begin = std::chrono::steady_clock::now();
  const int status = call("nvrtcCompileProgram", program, static_cast<int>(words.size()),
                          static_cast<const char* const*>(words.data()));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  size_t size = 0;
  call("nvrtcGetProgramLogSize", program, &size);
  std::string log(size, '\0');
  call("nvrtcGetProgramLog", program, log.data());
  if (status != 0 || call("nvrtcGetCUBINSize", program, &size) != 0) {
    std::fputs(log.c_str(), stderr);
    return false;
  }
  std::vector<char> image(size);
  if (call("nvrtcGetCUBIN", program, image.data()) != 0) return false;
  std::fflush(stdout);
  std::printf("sm_%s %s %s%s: %zu bytes, %.2f s\n", capability.c_str(), wanted.name, wanted.program,
              joined(wanted.definitions).c_str(), size, seconds);
  const long spills = report(log);
  if (spills > 0) std::fprintf(stderr, "registers spilt\n%s", log.c_str());
  call("nvrtcDestroyProgram", &program);
  // Every kernel that the engine asks for is in it.
  const std::string code(image.data(), size);
  for (const std::string& kernel : wanted.kernels) {
    if (code.find(".text." + kernel) == std::string::npos) {
      std::fprintf(stderr, "no kernel %s\n", kernel.c_str());
      return false;
    }
  }
  return spills == 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3 || (library = dlopen(arguments[1], RTLD_NOW)) == nullptr) {
    std::fprintf(stderr, "usage: nvrtc_check LIBNVRTC CAPABILITY...\n%s\n", count < 3 ? "" : dlerror());
    return 2;
  }
  int failed = 0;
  size_t programs = 0, kernels = 0;
  for (int i = 2; i < count; ++i) {
    for (const Case& wanted : allCases()) {
      failed += compile(arguments[i], wanted) ? 0 : 1;
      programs += 1;
      kernels += wanted.kernels.size();
    }
  }
  std::printf("%zu programs, %zu kernels\n", programs, kernels);
  return failed == 0 ? 0 : 1;
}
