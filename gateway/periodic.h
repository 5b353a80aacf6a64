#pragma once

#include <functional>
#include <thread>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

namespace tandem {

// Calls `work` once every `period`, first after one, from a thread of its own.
// The destructor waits for a call that runs.
class Periodic {
 public:
  Periodic(absl::Duration period, std::function<void()> work);
  ~Periodic();
  Periodic(const Periodic&) = delete;
  Periodic& operator=(const Periodic&) = delete;

 private:
  absl::Notification stop_;
  std::thread thread_;
};

}  // namespace tandem
