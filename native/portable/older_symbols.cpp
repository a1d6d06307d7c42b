// What lets binaries built on a newer Linux run where libtorch's own wheels run: glibc 2.28 and GCC 8's
// libstdc++. A newer system gives some functions under new symbol versions that an older one lacks. Each is
// defined here, hidden, so that every library that this file is linked into finds its own, which calls the
// version that all have. The binding, the engine and the CUDA part each link it. scripts/symbol-versions.mjs
// holds what is packed to the limit, and names the symbol where this list is not enough.
#include <condition_variable>
#include <mutex>
#include <new>

#if defined(__GLIBC__) && (defined(__x86_64__) || defined(__aarch64__))

// The first glibc for the processor, whose symbols every later one keeps.
#if defined(__x86_64__)
#define TORCHVAE_OLDEST "GLIBC_2.2.5"
#else
#define TORCHVAE_OLDEST "GLIBC_2.17"
#endif

// The symbol that this file defines, and the version of a symbol that the system's libraries define. By
// labels, since the headers have declared the functions already, and visible ones.
#define TORCHVAE_DEFINES(symbol) __asm__(symbol) __attribute__((visibility("hidden")))
#define TORCHVAE_VERSION_OF(function, symbol) __asm__(".symver " #function "," symbol)

extern "C" {

// glibc 2.29 dropped the calls of a program's matherr() from these; the arithmetic is the same.
double olderExp(double x) noexcept;
double olderLog(double x) noexcept;
double olderPow(double x, double y) noexcept;
TORCHVAE_VERSION_OF(olderExp, "exp@" TORCHVAE_OLDEST);
TORCHVAE_VERSION_OF(olderLog, "log@" TORCHVAE_OLDEST);
TORCHVAE_VERSION_OF(olderPow, "pow@" TORCHVAE_OLDEST);
double newerExp(double x) noexcept TORCHVAE_DEFINES("exp");
double newerLog(double x) noexcept TORCHVAE_DEFINES("log");
double newerPow(double x, double y) noexcept TORCHVAE_DEFINES("pow");
double newerExp(double x) noexcept {
  return olderExp(x);
}
double newerLog(double x) noexcept {
  return olderLog(x);
}
double newerPow(double x, double y) noexcept {
  return olderPow(x, y);
}

// glibc 2.34 moved these from libdl to libc.
void* olderOpen(const char* path, int mode);
void* olderSym(void* library, const char* name);
char* olderError();
int olderAddr(const void* address, void* info);
TORCHVAE_VERSION_OF(olderOpen, "dlopen@" TORCHVAE_OLDEST);
TORCHVAE_VERSION_OF(olderSym, "dlsym@" TORCHVAE_OLDEST);
TORCHVAE_VERSION_OF(olderError, "dlerror@" TORCHVAE_OLDEST);
TORCHVAE_VERSION_OF(olderAddr, "dladdr@" TORCHVAE_OLDEST);
void* newerOpen(const char* path, int mode) TORCHVAE_DEFINES("dlopen");
void* newerSym(void* library, const char* name) TORCHVAE_DEFINES("dlsym");
char* newerError() TORCHVAE_DEFINES("dlerror");
int newerAddr(const void* address, void* info) TORCHVAE_DEFINES("dladdr");
void* newerOpen(const char* path, int mode) {
  return olderOpen(path, mode);
}
void* newerSym(void* library, const char* name) {
  return olderSym(library, name);
}
char* newerError() {
  return olderError();
}
int newerAddr(const void* address, void* info) {
  return olderAddr(address, info);
}

// GCC 12 gave this another version when it could no longer be noexcept.
void olderWait(std::condition_variable* condition, std::unique_lock<std::mutex>& lock);
TORCHVAE_VERSION_OF(olderWait, "_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE@GLIBCXX_3.4.11");
void newerWait(std::condition_variable* condition, std::unique_lock<std::mutex>& lock)
    TORCHVAE_DEFINES("_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE");
void newerWait(std::condition_variable* condition, std::unique_lock<std::mutex>& lock) {
  olderWait(condition, lock);
}

// Since GCC 11 a function of libstdc++.
[[noreturn]] void throwBadArrayNewLength() TORCHVAE_DEFINES("_ZSt28__throw_bad_array_new_lengthv");
void throwBadArrayNewLength() {
  throw std::bad_array_new_length();
}

// Since glibc 2.32 this says whether the process has one thread alone, and libstdc++ then counts references
// without atomic operations. 0: it may have several.
extern char singleThreaded TORCHVAE_DEFINES("__libc_single_threaded");
char singleThreaded = 0;

}  // extern "C"

#endif
