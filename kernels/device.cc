#include "kernels/device.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/byte_size.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "kernels/device_cards.h"

namespace tandem {
namespace {

// "cpu", "cuda:0" or "cuda:1".
std::string Devices(int num_cards) {
  std::string devices = "cpu";
  for (int i = 0; i < num_cards; ++i) {
    absl::StrAppend(&devices, i + 1 == num_cards ? " or " : ", ", "cuda:", i);
  }
  return devices;
}

}  // namespace

absl::StatusOr<at::Device> ParseDevice(absl::string_view option,
                                       absl::string_view name) {
  if (name == "cpu") return at::Device(at::kCPU);
  absl::string_view number = name;
  int index = -1;
  const bool is_card = absl::ConsumePrefix(&number, "cuda:") &&
                       absl::SimpleAtoi(number, &index) && index >= 0 &&
                       name == absl::StrCat("cuda:", index);
  if (is_card && !cards::kBuilt) {
    return absl::UnimplementedError(
        absl::StrCat(option, ": \"", name,
                     "\" is not built into this program; it computes on cpu"));
  }
  const absl::StatusOr<int> count = cards::Count();
  if (is_card && !count.ok()) return count.status();
  const int num_cards = count.value_or(0);
  if (is_card && index < num_cards) {
    return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(index));
  }
  return absl::InvalidArgumentError(
      absl::StrCat(option, ": \"", name,
                   "\" is no device of this machine: ", Devices(num_cards)));
}

bool BuiltForCards() { return cards::kBuilt; }

absl::StatusOr<std::vector<Card>> ListCards() {
  std::vector<Card> list;
  const absl::StatusOr<int> count = cards::Count();
  if (!count.ok()) return count.status();
  for (int i = 0; i < *count; ++i) {
    auto card =
        ReadCard(at::Device(at::kCUDA, static_cast<at::DeviceIndex>(i)));
    if (!card.ok()) return card.status();
    list.push_back(*std::move(card));
  }
  return list;
}

absl::Status BindThread(at::Device device) {
  return device.is_cpu() ? absl::OkStatus() : cards::Bind(device.index());
}

absl::StatusOr<Card> ReadCard(at::Device device) {
  return cards::Read(device.index());
}

absl::StatusOr<OpenDevice> OpenServiceDevice(absl::string_view name,
                                             ComputeExecutor& executor,
                                             Metrics& metrics) {
  OpenDevice open;
  TANDEM_ASSIGN_OR_RETURN(open.device, ParseDevice("--device", name));
  if (open.device.is_cpu()) return open;
  TANDEM_RETURN_IF_ERROR(BindThread(open.device));
  absl::Status bound;
  TANDEM_RETURN_IF_ERROR(
      executor.Run([&] { bound = BindThread(open.device); }));
  TANDEM_RETURN_IF_ERROR(bound);
  TANDEM_ASSIGN_OR_RETURN(open.card, ReadCard(open.device));
  ReportCard(metrics, *open.card);
  return open;
}

absl::Status CheckFits(const Card& card, int64_t wanted,
                       absl::string_view what) {
  if (wanted <= card.free_bytes) return absl::OkStatus();
  return MakeError(absl::StatusCode::kResourceExhausted,
                   reason::kDeviceOutOfMemory,
                   absl::StrCat(card.device, " (", card.name, ") has ",
                                FormatBytes(card.free_bytes), " free of ",
                                FormatBytes(card.total_bytes), ", and ",
                                FormatBytes(wanted), " are wanted: ", what));
}

void ReportCard(Metrics& metrics, const Card& card) {
  SetDeviceInfo(metrics, cards::kVendor, card.name, card.id);
  const DeviceMetrics device(metrics, card.device);
  const auto set = [&](DeviceMemory kind, int64_t bytes) {
    device.memory_bytes[kind].Set(static_cast<double>(bytes));
  };
  set(DeviceMemory::kUsed, card.total_bytes - card.free_bytes);
  set(DeviceMemory::kFree, card.free_bytes);
  set(DeviceMemory::kLimit, card.total_bytes);
}

}  // namespace tandem
