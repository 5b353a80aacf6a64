#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace tandem {

// Memory of the host on the way to or from a device: pages that a card reads
// and writes by itself, or plain ones for a CPU. Grows to what was asked for.
// Not thread-safe.
class HostStaging {
 public:
  explicit HostStaging(at::Device device) : device_(device) {}

  // `bytes` to be filled for Upload; valid until the next call of this. Throws
  // c10::Error where memory runs out, as do the calls below where a card fails.
  char* Room(int64_t bytes);

  // Copies the first bytes of Room(), of dtype and number of values of `to`,
  // which is dense; returns when it is done.
  void Upload(at::Tensor& to) const;

  // Copies `from`, which is dense, and returns when its bytes are here; valid
  // until the next call of this. On a CPU they are those of `from` itself.
  const char* Download(const at::Tensor& from);

 private:
  // The first bytes of the buffer as a tensor like `other`.
  at::Tensor Like(const at::Tensor& other) const;

  const at::Device device_;
  at::Tensor buffer_;
};

}  // namespace tandem
