// libtorch's exceptions, turned into the one type that may leave the engine.
#pragma once

#include <c10/util/Exception.h>

#include <new>

#include "error.h"

namespace torchvae {

[[noreturn]] inline void rethrowTranslated() {
  try {
    throw;
  } catch (const Error&) {
    throw;
  } catch (const c10::OutOfMemoryError&) {
    throw Error("ERR_OUT_OF_MEMORY", "The device has no memory left; use a smaller model, batch or data set");
  } catch (const std::bad_alloc&) {
    throw Error("ERR_OUT_OF_MEMORY", "The host has no memory left; use a smaller model, batch or data set");
  } catch (const c10::Error& error) {
    const std::string what = error.what_without_backtrace();
    if (what.find("allocate memory") != std::string::npos) {
      throw Error("ERR_OUT_OF_MEMORY", "The host has no memory left; use a smaller model, batch or data set");
    }
    throw Error("ERR_INTERNAL", "libtorch failed: " + what);
  } catch (const std::exception& error) {
    throw Error("ERR_INTERNAL", error.what());
  }
}

// The exception that is being handled, as that type.
inline Error translatedError() {
  try {
    rethrowTranslated();
  } catch (const Error& error) {
    return error;
  }
}

template <class F>
auto translated(const F& f) -> decltype(f()) {
  try {
    return f();
  } catch (...) {
    rethrowTranslated();
  }
}

}  // namespace torchvae
