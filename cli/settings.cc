#include "cli/settings.h"

#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace tandem {
namespace {

using Field = google::protobuf::FieldDescriptor;

constexpr absl::string_view kMaxTiles = "max_tiles";

// Bounds of types.proto. `open_low` leaves out the lower end.
struct Setting {
  absl::string_view name;
  double low, high;
  bool open_low = false;
};
constexpr double kMostTokens = 4294967295;       // uint32
constexpr double kMostExact = 9007199254740992;  // 2^53
constexpr Setting kSettings[] = {
    {"frequency_penalty", -2, 2},
    {"max_tiles", 1, 40},
    {"max_tokens", 1, kMostTokens},
    {"min_p", 0, 1},
    {"min_tokens", 0, kMostTokens},
    {"presence_penalty", -2, 2},
    {"repetition_penalty", 0, 10, /*open_low=*/true},
    {"seed", 0, kMostExact},
    {"temperature", 0, 2},
    {"top_k", 0, kMostTokens},
    {"top_p", 0, 1, /*open_low=*/true},
};

const Field* FieldOf(absl::string_view name) {
  return v1::Sampling::descriptor()->FindFieldByName(std::string(name));
}

bool IsWhole(const Setting& setting) {
  return setting.name == kMaxTiles ||
         FieldOf(setting.name)->cpp_type() != Field::CPPTYPE_FLOAT;
}

absl::Status Wrong(const Setting& setting, absl::string_view value) {
  return absl::InvalidArgumentError(absl::StrCat(
      setting.name, ": ", value, " is no ",
      IsWhole(setting) ? "whole number" : "number", " in ",
      setting.open_low ? "(" : "[", absl::StrFormat("%.17g", setting.low), ", ",
      absl::StrFormat("%.17g", setting.high), "]"));
}

void SetNumber(const Field* field, double number, v1::Sampling& sampling) {
  const auto& reflection = *sampling.GetReflection();
  switch (field->cpp_type()) {
    case Field::CPPTYPE_UINT32:
      return reflection.SetUInt32(&sampling, field,
                                  static_cast<uint32_t>(number));
    case Field::CPPTYPE_UINT64:
      return reflection.SetUInt64(&sampling, field,
                                  static_cast<uint64_t>(number));
    default:
      return reflection.SetFloat(&sampling, field, static_cast<float>(number));
  }
}

std::string ShowNumber(const Field* field, const v1::Sampling& sampling) {
  const auto& reflection = *sampling.GetReflection();
  switch (field->cpp_type()) {
    case Field::CPPTYPE_UINT32:
      return absl::StrCat(reflection.GetUInt32(sampling, field));
    case Field::CPPTYPE_UINT64:
      return absl::StrCat(reflection.GetUInt64(sampling, field));
    default:
      return absl::StrCat(reflection.GetFloat(sampling, field));
  }
}

absl::Status Change(const Setting& setting, absl::string_view value,
                    Conversation& conversation) {
  double number = 0;
  const bool clear = value == "default";
  const bool fits =
      absl::SimpleAtod(value, &number) &&
      (setting.open_low ? number > setting.low : number >= setting.low) &&
      number <= setting.high &&
      (!IsWhole(setting) || number == std::floor(number));
  if (!clear && !fits) return Wrong(setting, value);
  if (setting.name == kMaxTiles) {
    conversation.SetMaxTiles(clear ? 0 : static_cast<int>(number));
    return absl::OkStatus();
  }
  v1::Sampling sampling = conversation.options().sampling;
  const Field* field = FieldOf(setting.name);
  if (clear) {
    sampling.GetReflection()->ClearField(&sampling, field);
  } else {
    SetNumber(field, number, sampling);
  }
  conversation.SetSampling(sampling);
  return absl::OkStatus();
}

}  // namespace

std::vector<std::string> SettingNames() {
  std::vector<std::string> names;
  for (const Setting& setting : kSettings) names.emplace_back(setting.name);
  return names;
}

absl::Status ChangeSetting(absl::string_view name, absl::string_view value,
                           Conversation& conversation) {
  for (const Setting& setting : kSettings) {
    if (setting.name == name) return Change(setting, value, conversation);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("there is no setting \"", name, "\"; there are ",
                   absl::StrJoin(SettingNames(), ", ")));
}

std::string ShowSettings(const Conversation& conversation) {
  const v1::Sampling& sampling = conversation.options().sampling;
  std::vector<std::string> shown;
  for (const Setting& setting : kSettings) {
    if (setting.name == kMaxTiles) {
      const int tiles = conversation.options().max_tiles;
      if (tiles > 0) shown.push_back(absl::StrCat(kMaxTiles, " ", tiles));
      continue;
    }
    const Field* field = FieldOf(setting.name);
    if (!sampling.GetReflection()->HasField(sampling, field)) continue;
    shown.push_back(
        absl::StrCat(setting.name, " ", ShowNumber(field, sampling)));
  }
  return absl::StrJoin(shown, ", ");
}

}  // namespace tandem
