#include "kernels/cpu/huge_tensor.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <sys/mman.h>

#include <cstdlib>
#include <new>

namespace tandem::cpu {

at::Tensor EmptyHuge(int64_t num_values, at::ScalarType dtype) {
  constexpr size_t kPage = size_t{2} << 20;
  const auto options = at::TensorOptions().dtype(dtype);
  const size_t bytes =
      static_cast<size_t>(num_values) * c10::elementSize(dtype);
  if (bytes < 2 * kPage) return at::empty({num_values}, options);
  const size_t rounded = (bytes + kPage - 1) / kPage * kPage;
  void* data = std::aligned_alloc(kPage, rounded);
  if (data == nullptr) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  (void)madvise(data, rounded, MADV_HUGEPAGE);  // small pages work too
#endif
  return at::from_blob(
      data, {num_values}, [](void* p) { std::free(p); }, options);
}

}  // namespace tandem::cpu
