#include "gateway/json_body.h"

#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace tandem {
namespace {

namespace ondemand = simdjson::ondemand;

absl::string_view Why(simdjson::error_code code) {
  switch (code) {
    case simdjson::UTF8_ERROR:
      return "it is not UTF-8";
    case simdjson::UNESCAPED_CHARS:
      return "a string has a control character that is not escaped";
    case simdjson::UNCLOSED_STRING:
      return "a string does not end";
    case simdjson::STRING_ERROR:
      return "a string has an escape that is none, or half a surrogate pair";
    default:
      return "a value, a comma or a colon is missing or not where it belongs";
  }
}

absl::Status ParserError(simdjson::error_code code, const JsonPath& path) {
  if (code == simdjson::MEMALLOC) {
    return RetryableError(
        absl::StatusCode::kResourceExhausted, reason::kOverloaded,
        "no memory to read the request's body", absl::Seconds(1));
  }
  const std::string place = path.ToString();
  if (place.empty()) return NotJson(Why(code));
  return NotJson(absl::StrCat(Why(code), ", at ", place));
}

absl::string_view View(std::string_view text) {
  return {text.data(), text.size()};
}

absl::Status VisitFields(ondemand::object& object, const JsonPath& path,
                         JsonValue::FieldVisitor visit) {
  for (simdjson::simdjson_result<ondemand::field> result : object) {
    ondemand::field field;
    std::string_view key;
    simdjson::error_code code = std::move(result).get(field);
    if (!code) code = field.unescaped_key().get(key);
    // A lone half of a surrogate pair is unescaped to what is not UTF-8.
    if (!code && !simdjson::validate_utf8(key)) code = simdjson::STRING_ERROR;
    if (code) return ParserError(code, path);
    const JsonPath inner(path, View(key));
    TANDEM_RETURN_IF_ERROR(visit(View(key), JsonValue(field.value(), inner)));
  }
  return absl::OkStatus();
}

// The integer that a number is, where that is certain: none above 2^63 - 1, and
// none above 2^53 that is written as a fraction or with an exponent.
absl::optional<int64_t> Whole(const ondemand::number& number) {
  constexpr double kExact = 9007199254740992;  // 2^53
  if (number.is_int64()) return number.get_int64();
  if (number.is_uint64()) return absl::nullopt;
  const double real = number.get_double();
  if (std::floor(real) != real || std::abs(real) > kExact) return absl::nullopt;
  return static_cast<int64_t>(real);
}

}  // namespace

std::string JsonPath::ToString() const {
  if (parent_ == nullptr) return "";
  std::string path = parent_->ToString();
  if (index_ >= 0) {
    absl::StrAppend(&path, "[", index_, "]");
  } else {
    absl::StrAppend(&path, path.empty() ? "" : ".", key_.substr(0, 64));
  }
  return path;
}

absl::string_view JsonTypeName(JsonValue::Type type) {
  switch (type) {
    case JsonValue::Type::kNull:
      return "null";
    case JsonValue::Type::kBool:
      return "a boolean";
    case JsonValue::Type::kNumber:
      return "a number";
    case JsonValue::Type::kString:
      return "a string";
    case JsonValue::Type::kList:
      return "a list";
    case JsonValue::Type::kObject:
      return "an object";
  }
  return "";
}

absl::Status JsonValue::Error(absl::string_view description) const {
  return FieldError(path_->ToString(), description);
}

absl::Status JsonValue::Unsupported(absl::string_view description) const {
  return FieldError(path_->ToString(), reason::kUnsupportedParameter,
                    description);
}

absl::StatusOr<JsonValue::Type> JsonValue::GetType() {
  ondemand::json_type type;
  if (auto code = value_.type().get(type)) return ParserError(code, *path_);
  switch (type) {
    case ondemand::json_type::boolean:
      return Type::kBool;
    case ondemand::json_type::number:
      return Type::kNumber;
    case ondemand::json_type::string:
      return Type::kString;
    case ondemand::json_type::array:
      return Type::kList;
    case ondemand::json_type::object:
      return Type::kObject;
    case ondemand::json_type::null:
      break;
  }
  // So far only its first letter is known.
  bool is_null = false;
  auto code = value_.is_null().get(is_null);
  if (code || !is_null) return ParserError(simdjson::N_ATOM_ERROR, *path_);
  return Type::kNull;
}

absl::StatusOr<bool> JsonValue::Is(Type want) {
  TANDEM_ASSIGN_OR_RETURN(const Type type, GetType());
  if (type == Type::kNull) return false;
  if (type == want) return true;
  return Error(absl::StrCat("expected ", JsonTypeName(want), ", got ",
                            JsonTypeName(type)));
}

absl::Status JsonValue::ReadBool(absl::optional<bool>& out) {
  out.reset();
  TANDEM_ASSIGN_OR_RETURN(const bool is_set, Is(Type::kBool));
  if (!is_set) return absl::OkStatus();
  bool value = false;
  if (value_.get_bool().get(value)) {
    return ParserError(simdjson::T_ATOM_ERROR, *path_);
  }
  out = value;
  return absl::OkStatus();
}

absl::Status JsonValue::ReadNumber(ondemand::number& number) {
  if (value_.get_number().get(number)) {
    return Error("this is not a number of JSON that fits 64 bits");
  }
  return absl::OkStatus();
}

absl::Status JsonValue::ReadInteger(int64_t min, int64_t max,
                                    absl::optional<int64_t>& out) {
  out.reset();
  TANDEM_ASSIGN_OR_RETURN(const bool is_set, Is(Type::kNumber));
  if (!is_set) return absl::OkStatus();
  ondemand::number number;
  TANDEM_RETURN_IF_ERROR(ReadNumber(number));
  const absl::optional<int64_t> value = Whole(number);
  if (value.has_value() && *value >= min && *value <= max) {
    out = value;
    return absl::OkStatus();
  }
  const double real = number.as_double();
  if (std::floor(real) != real) {
    return Error(absl::StrCat("expected an integer, got ", real));
  }
  return Error(absl::StrCat(
      value.has_value() ? absl::StrCat(*value) : absl::StrCat(real),
      " is outside [", min, ", ", max, "]"));
}

absl::Status JsonValue::ReadSeed(absl::optional<uint64_t>& out) {
  out.reset();
  TANDEM_ASSIGN_OR_RETURN(const bool is_set, Is(Type::kNumber));
  if (!is_set) return absl::OkStatus();
  ondemand::number number;
  TANDEM_RETURN_IF_ERROR(ReadNumber(number));
  if (number.is_uint64()) {
    out = number.get_uint64();
  } else if (const absl::optional<int64_t> value = Whole(number)) {
    out = static_cast<uint64_t>(*value);
  } else {
    return Error(absl::StrCat("expected an integer of 64 bits, got ",
                              number.get_double()));
  }
  return absl::OkStatus();
}

absl::Status JsonValue::ReadFloat(absl::optional<float>& out) {
  out.reset();
  TANDEM_ASSIGN_OR_RETURN(const bool is_set, Is(Type::kNumber));
  if (!is_set) return absl::OkStatus();
  ondemand::number number;
  TANDEM_RETURN_IF_ERROR(ReadNumber(number));
  const double real = number.as_double();
  constexpr double kMax = std::numeric_limits<float>::max();
  if (std::abs(real) > kMax) {
    return Error(absl::StrCat(real, " is outside [", -kMax, ", ", kMax, "]"));
  }
  out = static_cast<float>(real);
  return absl::OkStatus();
}

absl::Status JsonValue::ReadString(absl::optional<absl::string_view>& out) {
  out.reset();
  TANDEM_ASSIGN_OR_RETURN(const bool is_set, Is(Type::kString));
  if (!is_set) return absl::OkStatus();
  // With its quotes and the white space after it.
  const std::string_view token = value_.raw_json_token();
  const size_t end = token.rfind('"');
  if (end == 0) return ParserError(simdjson::UNCLOSED_STRING, *path_);
  const std::string_view text = token.substr(1, end - 1);
  if (text.find('\\') != text.npos) return ReadStringWithEscapes(out);
  out = View(text);
  return absl::OkStatus();
}

absl::Status JsonValue::ReadStringWithEscapes(
    absl::optional<absl::string_view>& out) {
  std::string_view text;
  auto code = value_.get_string().get(text);
  // A lone half of a surrogate pair is unescaped to what is not UTF-8.
  if (code || !simdjson::validate_utf8(text)) {
    return ParserError(simdjson::STRING_ERROR, *path_);
  }
  out = View(text);
  return absl::OkStatus();
}

absl::Status JsonValue::ReadFields(FieldVisitor visit) {
  TANDEM_ASSIGN_OR_RETURN(const bool is_set, Is(Type::kObject));
  if (!is_set) return absl::OkStatus();
  ondemand::object object;
  if (auto code = value_.get_object().get(object)) {
    return ParserError(code, *path_);
  }
  return VisitFields(object, *path_, visit);
}

absl::Status JsonValue::ReadItems(ItemVisitor visit) {
  TANDEM_ASSIGN_OR_RETURN(const bool is_set, Is(Type::kList));
  if (!is_set) return absl::OkStatus();
  ondemand::array array;
  if (auto code = value_.get_array().get(array)) {
    return ParserError(code, *path_);
  }
  int index = 0;
  for (simdjson::simdjson_result<ondemand::value> result : array) {
    const JsonPath inner(*path_, index);
    ondemand::value item;
    if (auto code = std::move(result).get(item)) {
      return ParserError(code, inner);
    }
    TANDEM_RETURN_IF_ERROR(visit(index++, JsonValue(item, inner)));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> JsonValue::ReadIsEmpty() {
  TANDEM_ASSIGN_OR_RETURN(const Type type, GetType());
  bool is_empty = true;
  const auto found = [&is_empty](const auto&, JsonValue value) {
    is_empty = false;
    return value.Check();
  };
  if (type == Type::kString) {
    absl::optional<absl::string_view> text;
    TANDEM_RETURN_IF_ERROR(ReadString(text));
    return text->empty();
  }
  if (type == Type::kList) {
    TANDEM_RETURN_IF_ERROR(ReadItems(found));
  } else if (type == Type::kObject) {
    TANDEM_RETURN_IF_ERROR(ReadFields(found));
  } else if (type != Type::kNull) {
    TANDEM_RETURN_IF_ERROR(Check());
    return false;
  }
  return is_empty;
}

absl::Status JsonValue::Check() {
  TANDEM_ASSIGN_OR_RETURN(const Type type, GetType());
  const auto check = [](const auto&, JsonValue value) { return value.Check(); };
  absl::optional<bool> boolean;
  absl::optional<absl::string_view> text;
  ondemand::number number;
  switch (type) {
    case Type::kNull:
      return absl::OkStatus();
    case Type::kBool:
      return ReadBool(boolean);
    case Type::kNumber:
      return ReadNumber(number);
    case Type::kString:
      return ReadString(text);
    case Type::kList:
      return ReadItems(check);
    case Type::kObject:
      return ReadFields(check);
  }
  return absl::OkStatus();
}

absl::Status JsonBody::ReadFields(JsonValue::FieldVisitor visit) {
  const JsonPath root;
  TANDEM_RETURN_IF_ERROR(CheckJsonShape(body_));
  body_.reserve(body_.size() + simdjson::SIMDJSON_PADDING);
  ondemand::document document;
  simdjson::error_code code =
      parser_
          .iterate(simdjson::padded_string_view(body_.data(), body_.size(),
                                                body_.capacity()))
          .get(document);
  ondemand::object object;
  if (!code) code = document.get_object().get(object);
  if (code) return ParserError(code, root);
  return VisitFields(object, root, visit);
}

}  // namespace tandem
