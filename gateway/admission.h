#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/metrics.h"

namespace tandem {

// Bounds what the gateway works on: requests in flight, requests that wait for
// a place, and the image bytes that both hold. Refuses at once what has no
// room. Thread-safe. Tickets must end before this.
class Admission {
 public:
  struct Options {
    int max_in_flight = 256;
    int max_queued = 256;
    int64_t max_image_bytes = int64_t{1} << 30;
  };
  Admission(Options options, GatewayMetrics& metrics);

  // A place; given back when it is destroyed, which may admit the next.
  class Ticket {
   public:
    ~Ticket();
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;

    // Gives the place back now; who gets it is called back by the destructor,
    // or by another thread meanwhile. Twice is once.
    void GiveBack();

    // The images are no longer needed (the first token has been sent).
    void ReleaseImages();

   private:
    friend class Admission;
    Ticket(Admission& admission, int64_t image_bytes)
        : admission_(admission), image_bytes_(image_bytes) {}
    Admission& admission_;
    int64_t image_bytes_;
    bool in_flight_ = false;
    bool given_back_ = false;
    std::function<void()> admitted_;  // while it waits
  };

  // Takes a place, or waits for one: `admitted` is called exactly once, from
  // here or from another thread, unless the ticket is destroyed while it waits.
  // It must not wait for anything.
  // RESOURCE_EXHAUSTED OVERLOADED, with a delay, when too much waits already.
  absl::StatusOr<std::unique_ptr<Ticket>> Enter(int64_t image_bytes,
                                                std::function<void()> admitted)
      ABSL_LOCKS_EXCLUDED(mutex_);

  int in_flight() const ABSL_LOCKS_EXCLUDED(mutex_);
  int queued() const ABSL_LOCKS_EXCLUDED(mutex_);
  int64_t image_bytes() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Leave(Ticket& ticket) ABSL_LOCKS_EXCLUDED(mutex_);
  // Calls back all who were admitted, one after the other: who fails at once
  // and leaves admits the next in this loop, not deeper on its stack.
  void TellAdmitted() ABSL_LOCKS_EXCLUDED(mutex_);

  const Options options_;
  GatewayMetrics& metrics_;
  mutable absl::Mutex mutex_;
  int in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t image_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::list<Ticket*> waiting_ ABSL_GUARDED_BY(mutex_);
  std::list<std::function<void()>> admitted_ ABSL_GUARDED_BY(mutex_);
  bool telling_ ABSL_GUARDED_BY(mutex_) = false;  // a thread calls them back
};

}  // namespace tandem
