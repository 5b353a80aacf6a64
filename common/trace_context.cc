#include "common/trace_context.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "common/request_id.h"
#include "grpcpp/client_context.h"
#include "grpcpp/server_context.h"

namespace tandem {
namespace {

constexpr size_t kTraceParentLength = 55;  // 2-32-16-2, with dashes
constexpr size_t kMaxStateLength = 512;
constexpr size_t kMaxStateMembers = 32;
constexpr uint8_t kKnownFlags = 3;

bool IsLowerHex(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
}

bool IsId(absl::string_view text) {
  return IsLowerHex(text) &&
         text.find_first_not_of('0') != absl::string_view::npos;
}

int Digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

bool IsState(absl::string_view state) {
  if (state.size() > kMaxStateLength) return false;
  size_t num_members = 0;
  for (absl::string_view member : absl::StrSplit(state, ',')) {
    member = absl::StripAsciiWhitespace(member);
    if (member.empty()) continue;
    const size_t equals = member.find('=');
    if (equals == 0 || equals == absl::string_view::npos) return false;
    if (++num_members > kMaxStateMembers) return false;
  }
  return std::all_of(state.begin(), state.end(), absl::ascii_isprint);
}

using Metadata = std::multimap<grpc::string_ref, grpc::string_ref>;

std::string ValueOf(const Metadata& metadata, const char* key,
                    size_t most_values) {
  std::string joined;
  if (metadata.count(key) > most_values) return joined;
  const auto [begin, end] = metadata.equal_range(key);
  for (auto it = begin; it != end; ++it) {
    absl::StrAppend(&joined, joined.empty() ? "" : ",",
                    absl::string_view(it->second.data(), it->second.size()));
  }
  return joined;
}

}  // namespace

absl::optional<TraceContext> ParseTraceParent(absl::string_view traceparent) {
  if (traceparent.size() < kTraceParentLength) return absl::nullopt;
  const absl::string_view version = traceparent.substr(0, 2);
  const absl::string_view trace_id = traceparent.substr(3, 32);
  const absl::string_view span_id = traceparent.substr(36, 16);
  const absl::string_view flags = traceparent.substr(53, 2);
  const bool dashes =
      traceparent[2] == '-' && traceparent[35] == '-' && traceparent[52] == '-';
  // A later version may go on after another dash.
  const bool ends = traceparent.size() == kTraceParentLength ||
                    (version != "00" && traceparent[kTraceParentLength] == '-');
  if (!dashes || !ends || !IsLowerHex(version) || version == "ff" ||
      !IsId(trace_id) || !IsId(span_id) || !IsLowerHex(flags)) {
    return absl::nullopt;
  }
  return TraceContext{
      .trace_id = std::string(trace_id),
      .span_id = std::string(span_id),
      .flags = static_cast<uint8_t>(Digit(flags[1]) & kKnownFlags),
      .state = ""};
}

std::string FormatTraceParent(const TraceContext& span) {
  return absl::StrFormat("00-%s-%s-%02x", span.trace_id, span.span_id,
                         span.flags);
}

TraceContext StartSpan(absl::string_view traceparent,
                       absl::string_view tracestate) {
  absl::optional<TraceContext> parent = ParseTraceParent(traceparent);
  if (!parent.has_value()) {
    return {.trace_id = RandomHex(16),
            .span_id = RandomHex(8),
            .flags = 0,
            .state = ""};
  }
  parent->span_id = RandomHex(8);
  if (IsState(tracestate)) parent->state = std::string(tracestate);
  return *std::move(parent);
}

TraceContext StartSpan(const grpc::ServerContextBase& context) {
  const Metadata& metadata = context.client_metadata();
  return StartSpan(
      ValueOf(metadata, kTraceParentHeader, /*most_values=*/1),
      ValueOf(metadata, kTraceStateHeader, /*most_values=*/kMaxStateMembers));
}

void SetTraceContext(const TraceContext& span, grpc::ClientContext& context) {
  if (span.trace_id.empty()) return;
  context.AddMetadata(kTraceParentHeader, FormatTraceParent(span));
  if (!span.state.empty()) context.AddMetadata(kTraceStateHeader, span.state);
}

}  // namespace tandem
