#include <algorithm>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "gateway/openai_fields.h"

namespace tandem {
namespace {

constexpr int64_t kMaxUint32 = std::numeric_limits<uint32_t>::max();
constexpr int64_t kMaxTopLogprobs = 20;

// Numbers and switches whose fields have the same name in v1::Sampling. The
// bounds are those of integers.
struct Scalar {
  absl::string_view name;
  int64_t max = 0;
};
constexpr Scalar kScalars[] = {
    {"temperature"},
    {"top_p"},
    {"min_p"},
    {"repetition_penalty"},
    {"presence_penalty"},
    {"frequency_penalty"},
    {"ignore_eos"},
    {"logprobs"},
    {"min_tokens", kMaxUint32},
    {"top_logprobs", kMaxTopLogprobs},
};

// Decimal digits alone, as JSON writes an id.
bool ParseTokenId(absl::string_view key, uint32_t& id) {
  return !key.empty() && key.find_first_not_of("0123456789") == key.npos &&
         absl::SimpleAtoi(key, &id);
}

}  // namespace

absl::StatusOr<bool> SamplingReader::Read(absl::string_view key,
                                          JsonValue value) {
  absl::Status status;
  if (key == "max_tokens") {
    status = value.ReadInteger(1, kMaxUint32, max_tokens_);
  } else if (key == "max_completion_tokens") {
    status = value.ReadInteger(1, kMaxUint32, max_completion_tokens_);
  } else if (key == "top_k") {
    status = ReadTopK(value);
  } else if (key == "seed") {
    status = ReadSeed(value);
  } else if (key == "stop") {
    status = ReadStop(value);
  } else if (key == "stop_token_ids") {
    status = ReadStopTokenIds(value);
  } else if (key == "logit_bias") {
    status = ReadLogitBias(value);
  } else {
    return ReadScalar(key, value);
  }
  TANDEM_RETURN_IF_ERROR(status);
  return true;
}

absl::StatusOr<bool> SamplingReader::ReadScalar(absl::string_view key,
                                                JsonValue value) {
  using google::protobuf::FieldDescriptor;
  const auto* scalar =
      std::find_if(std::begin(kScalars), std::end(kScalars),
                   [key](const Scalar& known) { return known.name == key; });
  if (scalar == std::end(kScalars)) return false;
  const FieldDescriptor& field =
      *v1::Sampling::descriptor()->FindFieldByName(std::string(key));
  const google::protobuf::Reflection& set = *sampling_.GetReflection();
  set.ClearField(&sampling_, &field);
  absl::optional<float> real;
  absl::optional<bool> boolean;
  absl::optional<int64_t> integer;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_FLOAT:
      TANDEM_RETURN_IF_ERROR(value.ReadFloat(real));
      if (real.has_value()) set.SetFloat(&sampling_, &field, *real);
      return true;
    case FieldDescriptor::CPPTYPE_BOOL:
      TANDEM_RETURN_IF_ERROR(value.ReadBool(boolean));
      if (boolean.has_value()) set.SetBool(&sampling_, &field, *boolean);
      return true;
    default:  // CPPTYPE_UINT32
      TANDEM_RETURN_IF_ERROR(value.ReadInteger(0, scalar->max, integer));
      if (integer.has_value()) {
        set.SetUInt32(&sampling_, &field, static_cast<uint32_t>(*integer));
      }
      return true;
  }
}

absl::Status SamplingReader::ReadTopK(JsonValue value) {
  absl::optional<int64_t> top_k;
  TANDEM_RETURN_IF_ERROR(value.ReadInteger(-1, kMaxUint32, top_k));
  sampling_.clear_top_k();
  if (top_k.has_value()) {
    sampling_.set_top_k(static_cast<uint32_t>(std::max<int64_t>(*top_k, 0)));
  }
  return absl::OkStatus();
}

absl::Status SamplingReader::ReadSeed(JsonValue value) {
  absl::optional<uint64_t> seed;
  TANDEM_RETURN_IF_ERROR(value.ReadSeed(seed));
  sampling_.clear_seed();
  if (seed.has_value()) sampling_.set_seed(*seed);
  return absl::OkStatus();
}

absl::Status SamplingReader::ReadStop(JsonValue value) {
  sampling_.clear_stop();
  absl::optional<absl::string_view> text;
  TANDEM_ASSIGN_OR_RETURN(const JsonValue::Type type, value.GetType());
  if (type == JsonValue::Type::kString) {
    TANDEM_RETURN_IF_ERROR(value.ReadString(text));
    sampling_.add_stop(std::string(*text));
    return absl::OkStatus();
  }
  if (type != JsonValue::Type::kNull && type != JsonValue::Type::kList) {
    return value.Error(absl::StrCat(
        "expected a string or a list of strings, got ", JsonTypeName(type)));
  }
  return value.ReadItems([&](int, JsonValue item) -> absl::Status {
    TANDEM_RETURN_IF_ERROR(item.ReadString(text));
    if (!text.has_value()) return item.Error("expected a string, got null");
    sampling_.add_stop(std::string(*text));
    return absl::OkStatus();
  });
}

absl::Status SamplingReader::ReadStopTokenIds(JsonValue value) {
  sampling_.clear_stop_token_ids();
  return value.ReadItems([this](int, JsonValue item) -> absl::Status {
    absl::optional<int64_t> id;
    TANDEM_RETURN_IF_ERROR(item.ReadInteger(0, kMaxUint32, id));
    if (!id.has_value()) return item.Error("expected a token id, got null");
    sampling_.add_stop_token_ids(static_cast<uint32_t>(*id));
    return absl::OkStatus();
  });
}

absl::Status SamplingReader::ReadLogitBias(JsonValue value) {
  sampling_.clear_logit_bias();
  return value.ReadFields(
      [this](absl::string_view key, JsonValue item) -> absl::Status {
        uint32_t id = 0;
        if (!ParseTokenId(key, id)) {
          return item.Error("the key is not a token id");
        }
        absl::optional<float> bias;
        TANDEM_RETURN_IF_ERROR(item.ReadFloat(bias));
        if (!bias.has_value()) return item.Error("expected a number, got null");
        (*sampling_.mutable_logit_bias())[id] = *bias;
        return absl::OkStatus();
      });
}

absl::Status SamplingReader::ReadLogprobsCount(JsonValue value) {
  absl::optional<int64_t> count;
  TANDEM_RETURN_IF_ERROR(value.ReadInteger(0, kMaxTopLogprobs, count));
  sampling_.clear_logprobs();
  sampling_.clear_top_logprobs();
  if (!count.has_value()) return absl::OkStatus();
  sampling_.set_logprobs(true);
  sampling_.set_top_logprobs(static_cast<uint32_t>(*count));
  return absl::OkStatus();
}

absl::Status SamplingReader::Finish(
    absl::optional<uint32_t> default_max_tokens) {
  if (sampling_.top_logprobs() > 0 && !sampling_.logprobs()) {
    return FieldError("top_logprobs", absl::StrCat(sampling_.top_logprobs(),
                                                   " needs logprobs: true"));
  }
  if (!max_completion_tokens_.has_value()) max_completion_tokens_ = max_tokens_;
  if (max_completion_tokens_.has_value()) {
    sampling_.set_max_tokens(static_cast<uint32_t>(*max_completion_tokens_));
  } else if (default_max_tokens.has_value()) {
    sampling_.set_max_tokens(*default_max_tokens);
  }
  return absl::OkStatus();
}

}  // namespace tandem
