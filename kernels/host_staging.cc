#include "kernels/host_staging.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

namespace tandem {

char* HostStaging::Room(int64_t bytes) {
  if (!buffer_.defined() || buffer_.numel() < bytes) {
    buffer_ = at::Tensor();  // free first
    buffer_ = at::empty(
        {bytes},
        at::TensorOptions().dtype(at::kByte).pinned_memory(!device_.is_cpu()));
  }
  return static_cast<char*>(buffer_.data_ptr());
}

at::Tensor HostStaging::Like(const at::Tensor& other) const {
  return at::from_blob(buffer_.data_ptr(), other.sizes(),
                       at::TensorOptions().dtype(other.scalar_type()));
}

void HostStaging::Upload(at::Tensor& to) const { to.copy_(Like(to)); }

const char* HostStaging::Download(const at::Tensor& from) {
  if (from.device().is_cpu()) {
    return static_cast<const char*>(from.data_ptr());
  }
  const char* bytes = Room(static_cast<int64_t>(from.nbytes()));
  Like(from).copy_(from);
  return bytes;
}

}  // namespace tandem
