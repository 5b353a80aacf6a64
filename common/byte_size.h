#pragma once

#include <cstdint>
#include <string>

namespace tandem {

// For people: "512.0 B", "1.75 GiB", "14.2 GiB".
std::string FormatBytes(int64_t bytes);

}  // namespace tandem
