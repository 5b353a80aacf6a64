#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace tandem::cpu {

// A float buffer of the calling thread, aligned to 64 bytes. It grows and is
// kept for the thread's life, so that steps of the same size allocate nothing.
// `Tag` names the user: two live buffers of one thread need two tags. What it
// held before is lost when it grows.
template <typename Tag>
float* ThreadScratch(int64_t num_floats) {
  struct Free {
    void operator()(float* p) const { std::free(p); }
  };
  thread_local std::unique_ptr<float, Free> buffer;
  thread_local int64_t capacity = 0;
  if (num_floats > capacity) {
    const size_t bytes = (static_cast<size_t>(num_floats) * 4 + 63) / 64 * 64;
    buffer.reset();
    capacity = 0;
    buffer.reset(static_cast<float*>(std::aligned_alloc(64, bytes)));
    if (buffer == nullptr) throw std::bad_alloc();
    capacity = num_floats;
  }
  return buffer.get();
}

}  // namespace tandem::cpu
