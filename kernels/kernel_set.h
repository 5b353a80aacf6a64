#pragma once

#include <ATen/core/Tensor.h>

namespace tandem {

// What computes an operation.
enum class KernelSet {
  kCpu,    // our own loops, kernels/cpu
  kPlain,  // libtorch's operations, kernels/plain, on any device
};

// What computes on `device`: cards, and a CPU that was told to, compute with
// plain operations. Throws c10::Error, naming `op`, for a device that this
// build has no code for. Thread-safe.
KernelSet KernelSetOf(const char* op, at::Device device);

// Makes a CPU compute with plain operations too, as cards do, or with its own
// again. Weights loaded before keep their layout, so: before any is loaded.
void UsePlainKernels(bool plain);

}  // namespace tandem
