#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/compute_executor.h"
#include "common/metrics.h"

namespace tandem {

// A card that this process may compute on.
struct Card {
  std::string device;  // "cuda:0", as the options have it
  std::string name;    // the vendor's
  // The same for every process on this machine, and no other machine's.
  std::string id;
  int64_t free_bytes = 0;
  int64_t total_bytes = 0;
};

// Whether this program has code for cards.
bool BuiltForCards();

// All of them; none where this build computes on a CPU alone. INTERNAL where a
// driver is there and fails. Takes some memory of each card it looks at: see
// ReadCard.
absl::StatusOr<std::vector<Card>> ListCards();

// The device that `name` means: "cpu" or "cuda:N". `option` is what the user
// typed it for. INVALID_ARGUMENT, naming both and what there is;
// UNIMPLEMENTED where this build has no code for cards. Touches no card.
absl::StatusOr<at::Device> ParseDevice(absl::string_view option,
                                       absl::string_view name);

// Makes `device` the calling thread's own, so that nothing it does touches
// another card. Before the first use of a card in each thread that computes.
absl::Status BindThread(at::Device device);

// What card `device` is and has free now. The first call for a card takes what
// the driver needs of it (hundreds of MiB). INTERNAL where the driver fails.
absl::StatusOr<Card> ReadCard(at::Device device);

// A device that a service computes on, made ready.
struct OpenDevice {
  at::Device device = at::kCPU;
  std::optional<Card> card;  // as it was before; none on a CPU
};

// Parses `name`, binds the calling thread and that of `executor` to it, and
// tells operators of a card. Errors of the calls above.
absl::StatusOr<OpenDevice> OpenServiceDevice(absl::string_view name,
                                             ComputeExecutor& executor,
                                             Metrics& metrics);

// RESOURCE_EXHAUSTED DEVICE_OUT_OF_MEMORY where `card` has less free than
// `wanted`, saying both; `what` is all that is wanted, in words.
absl::Status CheckFits(const Card& card, int64_t wanted,
                       absl::string_view what);

// For tandem_device_info and tandem_device_memory_bytes.
void ReportCard(Metrics& metrics, const Card& card);

}  // namespace tandem
