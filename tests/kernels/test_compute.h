#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "kernels/cpu/cpu_level.h"

namespace tandem {

// One way to compute what a test looks at: an instruction set of the CPU, plain
// operations there, or a card.
struct TestCompute {
  CpuLevel level = BestCpuLevel();
  bool plain = false;
  std::string device = "cpu";

  bool available() const { return level <= BestCpuLevel(); }
  std::string name() const;  // "avx2", "plain", "cuda0"
  friend std::ostream& operator<<(std::ostream& os, const TestCompute& c) {
    return os << c.name();
  }
};

// The instruction sets, plain, and the first card where there is one.
std::vector<TestCompute> AllTestComputes();
// The same with the best instruction set alone.
std::vector<TestCompute> MainTestComputes();

// Computes as `compute` says until it ends. Before any weight is loaded.
class ComputeScope {
 public:
  explicit ComputeScope(const TestCompute& compute);
  ~ComputeScope();

  ComputeScope(const ComputeScope&) = delete;
  ComputeScope& operator=(const ComputeScope&) = delete;
};

}  // namespace tandem
