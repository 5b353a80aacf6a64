#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace grpc {
class ClientContext;
class ServerContextBase;
}  // namespace grpc

namespace tandem {

// gRPC metadata and HTTP headers that tie the spans of one request together in
// all the systems that it passes.
// Source: W3C Recommendation "Trace Context", 23 November 2021.
inline constexpr char kTraceParentHeader[] = "traceparent";
inline constexpr char kTraceStateHeader[] = "tracestate";

// One span of a trace.
struct TraceContext {
  std::string trace_id;  // 32 lower-case hex digits; empty: there is no trace
  std::string span_id;   // 16 of them
  uint8_t flags = 0;     // bit 0: sampled; bit 1: the trace id is random
  std::string state;     // of the systems it came through, as it came
};

// The span that a `traceparent` names. Nothing where it is not one: another
// form than version 00's (55 characters) or, for a later version, another
// beginning; upper case; an id of zeros alone; version ff. Flags that we do not
// know are cleared.
absl::optional<TraceContext> ParseTraceParent(absl::string_view traceparent);

// As version 00.
std::string FormatTraceParent(const TraceContext& span);

// A new span for a call that came with these two headers, empty where it had
// none: a child of the caller's, or where `traceparent` is not valid, the first
// of a new trace that nobody samples. A `tracestate` is passed on where it is a
// list of at most 32 key=value members in 512 printable characters, else
// dropped. Never an error.
TraceContext StartSpan(absl::string_view traceparent,
                       absl::string_view tracestate);

// The same for the metadata of a call; two `traceparent`s are as good as none.
TraceContext StartSpan(const grpc::ServerContextBase& context);

// Makes `span` the parent of an outgoing call; without a trace, nothing.
void SetTraceContext(const TraceContext& span, grpc::ClientContext& context);

}  // namespace tandem
