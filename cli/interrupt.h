#pragma once

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace tandem {

// Ctrl-C of a program that talks to a person: while something runs the first
// one stops that, the next one ends the program; without anything running, the
// first one does. Construct it before any other thread, so that all of them
// leave the signal to it.
class Interrupt {
 public:
  // How a program that SIGINT ended exits.
  static constexpr int kExitCode = 130;

  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // Something runs while this lives; one at a time. `stop` is called from
  // another thread, once, or in a Session as often as the signal comes.
  class Scope {
   public:
    Scope(Interrupt& interrupt, std::function<void()> stop);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Interrupt& interrupt_;
  };

  // Somebody types and has other ways to end the program: while this lives the
  // signal stops what runs and nothing else.
  class Session {
   public:
    explicit Session(Interrupt& interrupt);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

   private:
    Interrupt& interrupt_;
  };

 private:
  void Loop() ABSL_LOCKS_EXCLUDED(mutex_);
  void OnSignal() ABSL_LOCKS_EXCLUDED(mutex_);

  absl::Mutex mutex_;
  std::function<void()> stop_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool in_session_ ABSL_GUARDED_BY(mutex_) = false;
  int signal_fd_ = -1, wake_fd_ = -1;
  std::thread thread_;
};

}  // namespace tandem
