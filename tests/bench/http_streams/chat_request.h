#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace tandem {

// A streamed chat request of `num_tokens` tokens, head and body, that asks for
// timings.
std::string ChatRequestBytes(absl::string_view address, int num_tokens);

// A TCP connection to "HOST:PORT", numeric, without Nagle's delay; blocking. -1
// where there is none.
int Connect(const std::string& address);

// Whether all bytes went out.
bool SendAll(int fd, absl::string_view bytes);

// Of a monotonic clock.
absl::Duration MonotonicNow();

}  // namespace tandem
