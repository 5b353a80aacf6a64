#pragma once

#include <ATen/core/Tensor.h>

namespace tandem {

// Checks that operations share. `op` and `name` say in the message what was
// wrong; a breach throws c10::Error.

// Of `dims` dimensions, float32 or bfloat16, the last dimension dense.
void CheckTensor(const char* op, const char* name, const at::Tensor& tensor,
                 int64_t dims);

// The same, and of dtype, device and number of dimensions of `other`.
void CheckLike(const char* op, const char* name, const at::Tensor& tensor,
               const at::Tensor& other);

// The same, and of the same sizes too.
void CheckSameShape(const char* op, const char* name, const at::Tensor& tensor,
                    const at::Tensor& other);

// [size], dense, of dtype and device of `other`.
void CheckVector(const char* op, const char* name, const at::Tensor& tensor,
                 int64_t size, const at::Tensor& other);

// Throws: `op` has no version for the device.
[[noreturn]] void ThrowNoDevice(const char* op, at::Device device);

}  // namespace tandem
