#include "cuda/kept_programs.h"

#include <sys/stat.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <random>

namespace torchvae {
namespace {

// FNV-1a, in hexadecimal digits. It finds damage and spreads names; whose program it is, the whole key says.
template <class Bytes>
std::string digest(const Bytes& bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  char digits[17];
  std::snprintf(digits, sizeof(digits), "%016llx", static_cast<unsigned long long>(hash));
  return digits;
}

// What stands before the code in a file.
std::string headOf(const std::string& key, const std::string& codeDigest) {
  return key + '\n' + codeDigest + '\n';
}

// Makes the folders of a path that are missing. <filesystem> would ask for a newer libstdc++ than libtorch
// does.
void makeFolders(const std::string& path) {
  for (size_t end = path.find('/', 1); end != std::string::npos; end = path.find('/', end + 1))
    mkdir(path.substr(0, end).c_str(), 0777);
  mkdir(path.c_str(), 0777);
}

}  // namespace

std::string KeptPrograms::pathOf(const std::string& key) const {
  return folder_ + '/' + digest(key) + ".cubin";
}

std::optional<std::vector<char>> KeptPrograms::find(const std::string& key) const {
  if (folder_.empty()) return std::nullopt;
  std::ifstream file(pathOf(key), std::ios::binary);
  std::string head(headOf(key, digest(std::string())).size(), '\0');
  if (!file.read(head.data(), static_cast<std::streamsize>(head.size()))) return std::nullopt;
  const std::vector<char> code{std::istreambuf_iterator<char>(file), {}};
  if (code.empty() || head != headOf(key, digest(code))) return std::nullopt;
  return code;
}

// A rename gives the file its name, so that another process finds all of it or nothing.
void KeptPrograms::keep(const std::string& key, const std::vector<char>& code) const noexcept {
  if (folder_.empty()) return;
  try {
    makeFolders(folder_);
    const std::string path = pathOf(key);
    // The folder may be one that several machines share: numbers of processes do not tell the writers apart.
    std::random_device random;
    const std::string unfinished = path + '.' + std::to_string(random()) + std::to_string(random()) + ".tmp";
    std::ofstream file(unfinished, std::ios::binary);
    file << headOf(key, digest(code));
    file.write(code.data(), static_cast<std::streamsize>(code.size()));
    file.close();
    if (!file || std::rename(unfinished.c_str(), path.c_str()) != 0) std::remove(unfinished.c_str());
  } catch (const std::exception&) {
    // as above: it is compiled again
  }
}

}  // namespace torchvae
