// One JavaScript environment (the main thread, or a worker): its promises, and its orderly end.
#pragma once

#include <napi.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>

#include "engine.h"

namespace torchvae::binding {

// Raised by an abort, or by the end of the environment that the work belongs to.
using AbortFlag = std::shared_ptr<std::atomic<bool>>;

class Environment {
 public:
  explicit Environment(Napi::Env env);
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  static Environment& of(Napi::Env env);

  // Runs work() on the device's thread, then settles the promise on the JavaScript thread with what
  // finish(env, result) makes of work()'s result. `abort` is raised if the environment ends first.
  template <class Work, class Finish>
  Napi::Value promise(Napi::Env env, Device& device, const AbortFlag& abort, Work work, Finish finish) {
    using Result = decltype(work());
    auto result = std::make_shared<Result>();
    return enqueue(
        env, device, abort, [result, work = std::move(work)] { *result = work(); },
        [result, finish = std::move(finish)](Napi::Env env) { return finish(env, *result); });
  }

 private:
  using Finish = std::function<Napi::Value(Napi::Env)>;
  struct Pending;

  Napi::Value enqueue(Napi::Env env, Device& device, const AbortFlag& abort, std::function<void()> work,
                      Finish finish);
  void settle(Napi::Env env, Pending& pending);
  void close();

  Napi::ThreadSafeFunction toJavaScript_;
  std::mutex mutex_;
  std::condition_variable idle_;
  std::set<Pending*> running_;
  std::set<Pending*> unheard_;  // done, with a call that is still to reach JavaScript
  int unsettled_ = 0;           // used on the JavaScript thread alone
  bool closing_ = false;
};

// The JavaScript form of an engine's error: an Error with a `code`.
Napi::Error toJavaScriptError(Napi::Env env, const std::string& code, const std::string& message);

// The code and message of the exception that is being handled, for JavaScript.
struct Failure {
  std::string code;
  std::string message;
};
Failure currentFailure();

// Calls body() on the JavaScript thread, where no exception but node-addon-api's own may leave.
template <class Body>
auto guarded(Napi::Env env, const Body& body) -> decltype(body()) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    const Failure failure = currentFailure();
    throw toJavaScriptError(env, failure.code, failure.message);
  }
}

}  // namespace torchvae::binding
