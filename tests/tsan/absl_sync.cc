// What the thread sanitizer must know of Abseil's locks: Debian's Abseil is not
// built with it, so that without this every value behind a lock looks like a
// race. Linked into test programs under the sanitizer only. Each function takes
// the place of the library's, calls it, and says what it orders.
//
// Conditions of waiters run inside these calls, on whatever thread unlocks: the
// reads in there are not looked at.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

extern "C" {
void __tsan_acquire(void* address);
void __tsan_release(void* address);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
}

namespace {

// The library's function of that mangled name.
template <class Function>
Function* Real(const char* name) {
  void* found = dlsym(RTLD_NEXT, name);
  if (found == nullptr) {
    std::fprintf(stderr, "no %s in Abseil\n", name);
    std::abort();
  }
  return reinterpret_cast<Function*>(found);
}

class IgnoreReads {
 public:
  IgnoreReads() { AnnotateIgnoreReadsBegin(__FILE__, __LINE__); }
  ~IgnoreReads() { AnnotateIgnoreReadsEnd(__FILE__, __LINE__); }
};

// `real` lets the mutex go and comes back with it, or only takes it: whoever
// unlocks it meanwhile runs the condition, so what came before is released.
template <class Call>
auto Retaken(void* mutex, const Call& real) {
  struct Acquire {
    void* mutex;
    ~Acquire() { __tsan_acquire(mutex); }
  };
  __tsan_release(mutex);
  const Acquire acquire{mutex};
  const IgnoreReads ignore;
  return real();
}

}  // namespace

#define ABSL_SYMBOL(name) "_ZN4absl7debian3" name
#define ABSL_CONST_SYMBOL(name) "_ZNK4absl7debian3" name

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  static const auto real = Real<void(Mutex*)>(ABSL_SYMBOL("5Mutex4LockEv"));
  {
    const IgnoreReads ignore;
    real(this);
  }
  __tsan_acquire(this);
}

bool Mutex::TryLock() {
  static const auto real = Real<bool(Mutex*)>(ABSL_SYMBOL("5Mutex7TryLockEv"));
  const bool locked = real(this);
  if (locked) __tsan_acquire(this);
  return locked;
}

void Mutex::Unlock() {
  static const auto real = Real<void(Mutex*)>(ABSL_SYMBOL("5Mutex6UnlockEv"));
  __tsan_release(this);
  const IgnoreReads ignore;
  real(this);
}

void Mutex::ReaderLock() {
  static const auto real =
      Real<void(Mutex*)>(ABSL_SYMBOL("5Mutex10ReaderLockEv"));
  {
    const IgnoreReads ignore;
    real(this);
  }
  __tsan_acquire(this);
}

void Mutex::ReaderUnlock() {
  static const auto real =
      Real<void(Mutex*)>(ABSL_SYMBOL("5Mutex12ReaderUnlockEv"));
  __tsan_release(this);
  const IgnoreReads ignore;
  real(this);
}

void Mutex::LockWhen(const Condition& condition) {
  static const auto real = Real<void(Mutex*, const Condition&)>(
      ABSL_SYMBOL("5Mutex8LockWhenERKNS0_9ConditionE"));
  return Retaken(this, [&] { return real(this, condition); });
}

bool Mutex::LockWhenWithTimeout(const Condition& condition, Duration timeout) {
  static const auto real = Real<bool(Mutex*, const Condition&, Duration)>(
      ABSL_SYMBOL("5Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_"
                  "8DurationE"));
  return Retaken(this, [&] { return real(this, condition, timeout); });
}

void Mutex::Await(const Condition& condition) {
  static const auto real = Real<void(Mutex*, const Condition&)>(
      ABSL_SYMBOL("5Mutex5AwaitERKNS0_9ConditionE"));
  return Retaken(this, [&] { return real(this, condition); });
}

bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  static const auto real = Real<bool(Mutex*, const Condition&, Duration)>(
      ABSL_SYMBOL("5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE"));
  return Retaken(this, [&] { return real(this, condition, timeout); });
}

bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  static const auto real = Real<bool(Mutex*, const Condition&, Time)>(
      ABSL_SYMBOL("5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE"));
  return Retaken(this, [&] { return real(this, condition, deadline); });
}

void CondVar::Wait(Mutex* mutex) {
  static const auto real =
      Real<void(CondVar*, Mutex*)>(ABSL_SYMBOL("7CondVar4WaitEPNS0_5MutexE"));
  return Retaken(mutex, [&] { return real(this, mutex); });
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  static const auto real = Real<bool(CondVar*, Mutex*, Time)>(
      ABSL_SYMBOL("7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE"));
  return Retaken(mutex, [&] { return real(this, mutex, deadline); });
}

// HasBeenNotified, inline, loads the flag behind the mutex.
void Notification::Notify() {
  static const auto real =
      Real<void(Notification*)>(ABSL_SYMBOL("12Notification6NotifyEv"));
  __tsan_release(reinterpret_cast<char*>(this) + sizeof(Mutex));
  real(this);
}

void Notification::WaitForNotification() const {
  static const auto real = Real<void(const Notification*)>(
      ABSL_CONST_SYMBOL("12Notification19WaitForNotificationEv"));
  real(this);
  (void)HasBeenNotified();
}

bool Notification::WaitForNotificationWithTimeout(Duration timeout) const {
  static const auto real = Real<bool(const Notification*, Duration)>(
      ABSL_CONST_SYMBOL("12Notification30WaitForNotificationWithTimeoutENS0_"
                        "8DurationE"));
  const bool notified = real(this, timeout);
  (void)HasBeenNotified();
  return notified;
}

bool BlockingCounter::DecrementCount() {
  static const auto real = Real<bool(BlockingCounter*)>(
      ABSL_SYMBOL("15BlockingCounter14DecrementCountEv"));
  __tsan_release(this);
  return real(this);
}

void BlockingCounter::Wait() {
  static const auto real =
      Real<void(BlockingCounter*)>(ABSL_SYMBOL("15BlockingCounter4WaitEv"));
  real(this);
  __tsan_acquire(this);
}

ABSL_NAMESPACE_END
}  // namespace absl
