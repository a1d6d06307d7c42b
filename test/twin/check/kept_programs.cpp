// Compiled programs that are kept in files.
#include "cuda/kept_programs.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "check.h"

namespace torchvae::check {
namespace {

namespace fs = std::filesystem;

// A folder that is not there yet, and is gone at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() : above_(fs::temp_directory_path() / ("torchvae-kept-" + std::to_string(getpid()))) {
    fs::create_directories(above_);
  }
  ~TemporaryFolder() { fs::remove_all(above_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string path() const { return (above_ / "a" / "kernels").string(); }
  std::vector<fs::path> files() const {
    std::vector<fs::path> all;
    for (const auto& entry : fs::directory_iterator(path())) all.push_back(entry.path());
    return all;
  }

 private:
  fs::path above_;
};

std::vector<char> codeOf(size_t size, unsigned seed) {
  std::vector<char> code(size);
  for (char& byte : code) byte = static_cast<char>((seed = seed * 1664525 + 1013904223) >> 24);
  return code;
}

void setByte(const fs::path& path, std::streamoff at, char byte) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(at).put(byte);
}

}  // namespace

void checkKeptPrograms() {
  test("a kept program is found by its key alone", [] {
    const TemporaryFolder folder;
    const KeptPrograms kept(folder.path());
    EXPECT(!kept.find("sm_90 a"));
    const std::vector<char> a = codeOf(70'000, 1), b = codeOf(3, 2);
    kept.keep("sm_90 a", a);
    kept.keep("sm_90 b", b);
    EXPECT(kept.find("sm_90 a") == a && kept.find("sm_90 b") == b);
    EXPECT(!kept.find("sm_80 a") && !kept.find("sm_90 ") && !kept.find(""));
    EXPECT(KeptPrograms(folder.path()).find("sm_90 a") == a);
    kept.keep("sm_90 a", b);
    EXPECT(kept.find("sm_90 a") == b && folder.files().size() == 2);
  });

  test("a damaged file of a kept program is not used", [] {
    const TemporaryFolder folder;
    const KeptPrograms kept(folder.path());
    const std::string key = "sm_90 a";
    const std::vector<char> code = codeOf(1000, 1);
    kept.keep(key, code);
    const fs::path path = folder.files().at(0);
    const auto size = static_cast<std::streamoff>(fs::file_size(path));
    // A digit of the digest, the first and the last byte of the code.
    const auto begin = size - static_cast<std::streamoff>(code.size());
    for (const std::streamoff at : {begin - 2, begin, size - 1}) {
      kept.keep(key, code);
      EXPECT(kept.find(key) == code);
      std::ifstream file(path, std::ios::binary);
      file.seekg(at);
      const char was = static_cast<char>(file.get());
      setByte(path, at, static_cast<char>(was ^ 1));
      EXPECT(!kept.find(key));
    }
    for (const std::streamoff left : {size - 1, begin, begin - 5, std::streamoff{0}}) {
      kept.keep(key, code);
      fs::resize_file(path, static_cast<uintmax_t>(left));
      EXPECT(!kept.find(key));
    }
    // A file of another key, as by a digest that is the same.
    kept.keep("sm_90 b", code);
    for (const fs::path& other : folder.files()) {
      if (other != path) fs::copy_file(other, path, fs::copy_options::overwrite_existing);
    }
    EXPECT(!kept.find(key));
    kept.keep(key, code);
    EXPECT(kept.find(key) == code);
  });

  test("programs are kept by several at once, and not at all where no folder can be", [] {
    const TemporaryFolder folder;
    const std::vector<char> code = codeOf(200'000, 7);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        const KeptPrograms kept(folder.path());
        for (int j = 0; j < 20; ++j) kept.keep("program " + std::to_string((i + j) % 3), code);
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT(folder.files().size() == 3);
    for (const char* key : {"program 0", "program 1", "program 2"})
      EXPECT(KeptPrograms(folder.path()).find(key) == code);
    for (const std::string& nowhere :
         {std::string(), folder.files().at(0).string(), std::string("/proc/none")}) {
      const KeptPrograms kept(nowhere);
      kept.keep("a", code);
      EXPECT(!kept.find("a"));
    }
  });
}

}  // namespace torchvae::check
