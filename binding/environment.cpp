#include "environment.h"

#include <new>
#include <stdexcept>

namespace torchvae::binding {

struct Environment::Pending {
  Napi::Promise::Deferred deferred;
  AbortFlag abort;
  std::function<void()> work;
  Finish finish;
  Failure failure;  // what work() threw; without a code if it returned
};

Environment::Environment(Napi::Env env) {
  toJavaScript_ = Napi::ThreadSafeFunction::New(env, Napi::Function(), "torchvae", 0, 1);
  toJavaScript_.Unref(env);
  // Runs before Node tears down the thread-safe function, since hooks run in reverse order.
  napi_add_env_cleanup_hook(
      env, [](void* self) { static_cast<Environment*>(self)->close(); }, this);
}

Environment::~Environment() = default;

Environment& Environment::of(Napi::Env env) {
  return *env.GetInstanceData<Environment>();
}

void Environment::close() {
  std::unique_lock lock(mutex_);
  closing_ = true;
  for (Pending* pending : running_) {
    if (pending->abort != nullptr) pending->abort->store(true);
  }
  idle_.wait(lock, [this] { return running_.empty(); });
  for (Pending* pending : unheard_) pending->finish = nullptr;
}

Napi::Value Environment::enqueue(Napi::Env env, Device& device, const AbortFlag& abort,
                                 std::function<void()> work, Finish finish) {
  auto owned = std::make_unique<Pending>(
      Pending{Napi::Promise::Deferred::New(env), abort, std::move(work), std::move(finish), {}});
  auto* const pending = owned.get();
  const Napi::Promise promise = pending->deferred.Promise();
  const auto job = [this, pending] {
    bool closing;
    {
      const std::lock_guard lock(mutex_);
      closing = closing_;
    }
    if (!closing) {
      try {
        pending->work();
      } catch (...) {
        pending->failure = currentFailure();
      }
    }
    pending->work = nullptr;  // what the work holds is released on the device's thread
    const auto settleIt = [this](Napi::Env env, Napi::Function, Pending* done) {
      {
        const std::lock_guard lock(mutex_);
        unheard_.erase(done);
      }
      if (env != nullptr) settle(env, *done);
      delete done;
    };
    // Both under the lock. close() must not return before the call is queued; and once the call has run, the
    // next Pending may lie at the same address, which must by then be out of the set.
    const std::lock_guard lock(mutex_);
    running_.erase(pending);
    // An environment that ends hears of no call: nobody would free the result, which may be a whole data set.
    if (closing_ || toJavaScript_.NonBlockingCall(pending, settleIt) != napi_ok) {
      delete pending;
    } else {
      unheard_.insert(pending);
    }
    idle_.notify_all();
  };
  {
    const std::lock_guard lock(mutex_);
    running_.insert(pending);
  }
  try {
    device.submit(job);
  } catch (...) {
    const std::lock_guard lock(mutex_);
    running_.erase(pending);
    throw;
  }
  owned.release();
  if (unsettled_++ == 0) toJavaScript_.Ref(env);
  return promise;
}

void Environment::settle(Napi::Env env, Pending& pending) {
  if (--unsettled_ == 0) toJavaScript_.Unref(env);
  const Napi::HandleScope scope(env);
  if (!pending.finish) return;  // the environment is ending
  if (!pending.failure.code.empty()) {
    const auto& [code, message] = pending.failure;
    pending.deferred.Reject(toJavaScriptError(env, code, message).Value());
    return;
  }
  try {
    pending.deferred.Resolve(guarded(env, [&] { return pending.finish(env); }));
  } catch (const Napi::Error& error) {
    pending.deferred.Reject(error.Value());
  }
}

Failure currentFailure() {
  static const char* const kNoMemory = "The host has no memory left; use a smaller model, batch or data set";
  try {
    throw;
  } catch (const Error& error) {
    return {error.code(), error.what()};
  } catch (const std::bad_alloc&) {
    return {"ERR_OUT_OF_MEMORY", kNoMemory};
  } catch (const std::length_error&) {
    return {"ERR_OUT_OF_MEMORY", kNoMemory};
  } catch (const std::exception& error) {
    return {"ERR_INTERNAL", error.what()};
  } catch (...) {
    return {"ERR_INTERNAL", "Something was thrown that is no exception"};
  }
}

Napi::Error toJavaScriptError(Napi::Env env, const std::string& code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  return error;
}

}  // namespace torchvae::binding
