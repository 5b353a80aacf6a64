#include "cli/interrupt.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

namespace tandem {
namespace {

sigset_t OnlyInterrupt() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  return signals;
}

}  // namespace

Interrupt::Interrupt() {
  const sigset_t signals = OnlyInterrupt();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal_fd_ = signalfd(-1, &signals, SFD_CLOEXEC);
  wake_fd_ = eventfd(0, EFD_CLOEXEC);
  thread_ = std::thread([this] { Loop(); });
}

Interrupt::~Interrupt() {
  const uint64_t one = 1;
  if (write(wake_fd_, &one, sizeof(one)) < 0) _exit(kExitCode);
  thread_.join();
  close(signal_fd_);
  close(wake_fd_);
  const sigset_t signals = OnlyInterrupt();
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

void Interrupt::Loop() {
  pollfd events[] = {{signal_fd_, POLLIN, 0}, {wake_fd_, POLLIN, 0}};
  while (true) {
    if (poll(events, 2, -1) < 0) continue;
    if (events[1].revents != 0) return;
    signalfd_siginfo info;
    if (read(signal_fd_, &info, sizeof(info)) == sizeof(info)) OnSignal();
  }
}

void Interrupt::OnSignal() {
  std::function<void()> stop;
  {
    absl::MutexLock lock(&mutex_);
    // Nothing of ours is worth saving, and a thread may wait in a read.
    if (!in_session_ && (stop_ == nullptr || stopped_)) _exit(kExitCode);
    stopped_ = true;
    stop = stop_;
  }
  if (stop != nullptr) stop();
}

Interrupt::Scope::Scope(Interrupt& interrupt, std::function<void()> stop)
    : interrupt_(interrupt) {
  absl::MutexLock lock(&interrupt_.mutex_);
  interrupt_.stop_ = std::move(stop);
  interrupt_.stopped_ = false;
}

Interrupt::Scope::~Scope() {
  absl::MutexLock lock(&interrupt_.mutex_);
  interrupt_.stop_ = nullptr;
}

Interrupt::Session::Session(Interrupt& interrupt) : interrupt_(interrupt) {
  absl::MutexLock lock(&interrupt_.mutex_);
  interrupt_.in_session_ = true;
}

Interrupt::Session::~Session() {
  absl::MutexLock lock(&interrupt_.mutex_);
  interrupt_.in_session_ = false;
}

}  // namespace tandem
