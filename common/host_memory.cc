#include "common/host_memory.h"

#include <algorithm>
#include <fstream>
#include <optional>

#include "absl/strings/str_cat.h"

namespace tandem {
namespace {

// The one number in a file; nothing for "max" or a missing file.
std::optional<int64_t> ReadNumber(const std::string& path) {
  std::ifstream file(path);
  int64_t value = 0;
  if (!(file >> value)) return std::nullopt;
  return value;
}

std::optional<int64_t> MemAvailable(const std::string& path) {
  std::ifstream file(path);
  std::string key, unit;
  int64_t kib = 0;
  while (file >> key >> kib) {
    if (key == "MemAvailable:") return kib * 1024;
    std::getline(file, unit);
  }
  return std::nullopt;
}

}  // namespace

int64_t AvailableHostMemory(const std::string& root) {
  const std::optional<int64_t> machine =
      MemAvailable(absl::StrCat(root, "proc/meminfo"));
  const std::string group = absl::StrCat(root, "sys/fs/cgroup/memory.");
  const std::optional<int64_t> limit = ReadNumber(group + "max");
  const std::optional<int64_t> used = ReadNumber(group + "current");
  if (!limit || !used) return machine.value_or(0);
  const int64_t left = std::max<int64_t>(*limit - *used, 0);
  return machine ? std::min(*machine, left) : left;
}

}  // namespace tandem
