#pragma once

#include <ostream>
#include <streambuf>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/log.h"

namespace tandem {

// What the process logs while this lives; may be read while it is written.
class LogCapture final : private std::streambuf {
 public:
  explicit LogCapture(LogLevel level = LogLevel::kDebug) : stream_(this) {
    ConfigureLog({.level = level, .stream = &stream_});
  }
  ~LogCapture() override { ConfigureLog({}); }

  std::string text() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return text_;
  }
  // How often `words` are in it.
  int Count(const std::string& words) const {
    const std::string all = text();
    int count = 0;
    for (size_t at = all.find(words); at != std::string::npos;
         at = all.find(words, at + 1)) {
      ++count;
    }
    return count;
  }

 private:
  std::streamsize xsputn(const char* bytes, std::streamsize size) override
      ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    text_.append(bytes, static_cast<size_t>(size));
    return size;
  }
  int overflow(int byte) override ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    text_ += static_cast<char>(byte);
    return byte;
  }

  mutable absl::Mutex mutex_;
  std::string text_ ABSL_GUARDED_BY(mutex_);
  std::ostream stream_;
};

}  // namespace tandem
