#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "gateway/openai_fields.h"

namespace tandem {
namespace {

// Nothing is what these ask for when they are empty.
constexpr absl::string_view kTools[] = {"tools", "functions",
                                        "web_search_options", "audio"};
// Whatever these say would be lost.
constexpr absl::string_view kNever[] = {"chat_template", "chat_template_kwargs",
                                        "structured_outputs"};

template <size_t N>
bool Contains(const absl::string_view (&names)[N], absl::string_view key) {
  return std::find(std::begin(names), std::end(names), key) != std::end(names);
}

absl::Status RefuseUnlessEmpty(JsonValue value) {
  TANDEM_ASSIGN_OR_RETURN(const bool is_empty, value.ReadIsEmpty());
  return is_empty ? absl::OkStatus() : value.Unsupported("is not built");
}

absl::Status RefuseUnlessNull(JsonValue value) {
  TANDEM_ASSIGN_OR_RETURN(const JsonValue::Type type, value.GetType());
  return type == JsonValue::Type::kNull
             ? absl::OkStatus()
             : value.Unsupported("is not taken from a request");
}

// "none" and "auto" choose no tool where there is none.
absl::Status RefuseChoice(JsonValue value) {
  TANDEM_ASSIGN_OR_RETURN(const JsonValue::Type type, value.GetType());
  if (type == JsonValue::Type::kNull) return absl::OkStatus();
  if (type == JsonValue::Type::kString) {
    absl::optional<absl::string_view> choice;
    TANDEM_RETURN_IF_ERROR(value.ReadString(choice));
    if (*choice == "none" || *choice == "auto") return absl::OkStatus();
  }
  return value.Unsupported("tools are not built: only none and auto");
}

absl::Status RefuseFormat(JsonValue value) {
  absl::optional<absl::string_view> type;
  bool is_set = false;
  TANDEM_RETURN_IF_ERROR(value.ReadFields(
      [&](absl::string_view key, JsonValue field) -> absl::Status {
        is_set = true;
        if (key != "type") return field.Check();
        return field.ReadString(type);
      }));
  if (!is_set || (type.has_value() && *type == "text")) return absl::OkStatus();
  return value.Unsupported("only {\"type\": \"text\"} is built");
}

absl::Status RefuseModalities(JsonValue value) {
  return value.ReadItems([](int, JsonValue item) -> absl::Status {
    absl::optional<absl::string_view> modality;
    TANDEM_RETURN_IF_ERROR(item.ReadString(modality));
    if (modality.has_value() && *modality == "text") return absl::OkStatus();
    return item.Unsupported("only text is built");
  });
}

}  // namespace

absl::StatusOr<bool> RefuseUnsupported(absl::string_view key, JsonValue value) {
  absl::Status status;
  if (Contains(kTools, key)) {
    status = RefuseUnlessEmpty(value);
  } else if (Contains(kNever, key) || absl::StartsWith(key, "guided_")) {
    status = RefuseUnlessNull(value);
  } else if (key == "tool_choice" || key == "function_call") {
    status = RefuseChoice(value);
  } else if (key == "response_format") {
    status = RefuseFormat(value);
  } else if (key == "modalities") {
    status = RefuseModalities(value);
  } else {
    return false;
  }
  TANDEM_RETURN_IF_ERROR(status);
  return true;
}

}  // namespace tandem
