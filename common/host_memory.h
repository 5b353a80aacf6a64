#pragma once

#include <cstdint>
#include <string>

namespace tandem {

// Bytes that this process may still take without swapping: what the kernel says
// is available, or what the control group leaves where that is less. 0 where
// nobody says. `root` is the file system's, for tests.
int64_t AvailableHostMemory(const std::string& root = "/");

}  // namespace tandem
