#include "tests/bench/http_streams/paired_load.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>

#include "absl/strings/str_cat.h"
#include "common/channel.h"
#include "common/status_macros.h"
#include "grpcpp/client_context.h"
#include "nlohmann/json.hpp"
#include "tandem/v1/gateway.grpc.pb.h"
#include "tests/bench/http_streams/chat_request.h"
#include "tests/bench/http_streams/sse_reader.h"

namespace tandem {
namespace {

// Pairs before the first that counts: connections, first uses.
constexpr int kNumWarmUps = 5;

// When tokens of one answer came.
struct Arrivals {
  absl::Duration first, last;
  int count = 0;

  void Add() {
    last = MonotonicNow();
    if (count++ == 0) first = last;
  }
  double Gap() const {
    return absl::ToDoubleMilliseconds(last - first) / (count - 1);
  }
};

class PairedLoad {
 public:
  explicit PairedLoad(const PairedLoadOptions& options)
      : options_(options),
        http_(Connect(options.http_address)),
        stub_(v1::ChatService::NewStub(
            MakeChannel(options.grpc_address, /*metrics=*/nullptr))),
        http_request_(
            ChatRequestBytes(options.http_address, options.num_tokens)) {
    grpc_request_.add_messages()->set_role("user");
    grpc_request_.mutable_messages(0)->add_content()->set_text(
        "Count, please.");
    grpc_request_.mutable_sampling()->set_max_tokens(options.num_tokens);
  }
  ~PairedLoad() {
    if (http_ >= 0) close(http_);
  }

  absl::Status AskHttp(PairedTimes& times) {
    Arrivals arrivals;
    SseReader reader;
    std::string last;
    const auto on_event = [&](absl::string_view data) {
      if (data == "[DONE]") return;
      arrivals.Add();
      last = std::string(data);
    };
    const absl::Duration begin = MonotonicNow();
    SendAll(http_, http_request_);
    while (!reader.done()) {
      std::array<char, 16 * 1024> bytes;
      const ssize_t size = recv(http_, bytes.data(), bytes.size(), 0);
      if (size <= 0) return absl::FailedPreconditionError("HTTP was cut off");
      reader.Take({bytes.data(), static_cast<size_t>(size)}, on_event);
    }
    TANDEM_RETURN_IF_ERROR(Check("HTTP", arrivals.count));
    const auto json = nlohmann::json::parse(last, nullptr, false);
    if (!json.contains("timings_ms")) {
      return absl::FailedPreconditionError("an answer without timings");
    }
    const auto& told = json["timings_ms"];
    times.http_first = absl::ToDoubleMilliseconds(arrivals.first - begin);
    times.http_gap = arrivals.Gap();
    times.told_first = told.value("time_to_first_token", 0.0);
    times.told_gap = told.value("decode", 0.0) / (arrivals.count - 1);
    return absl::OkStatus();
  }

  absl::Status AskGrpc(PairedTimes& times) {
    Arrivals arrivals;
    const absl::Duration begin = MonotonicNow();
    grpc::ClientContext context;
    const auto reader = stub_->Chat(&context, grpc_request_);
    v1::ChatChunk chunk;
    while (reader->Read(&chunk)) arrivals.Add();
    if (!reader->Finish().ok()) {
      return absl::FailedPreconditionError("a gRPC call failed");
    }
    TANDEM_RETURN_IF_ERROR(Check("gRPC", arrivals.count));
    times.grpc_first = absl::ToDoubleMilliseconds(arrivals.first - begin);
    times.grpc_gap = arrivals.Gap();
    return absl::OkStatus();
  }

 private:
  absl::Status Check(const char* what, int count) const {
    if (count == options_.num_tokens) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat(
        what, ": ", count, " tokens instead of ", options_.num_tokens));
  }

  const PairedLoadOptions options_;
  const int http_;
  const std::unique_ptr<v1::ChatService::Stub> stub_;
  const std::string http_request_;
  v1::ChatRequest grpc_request_;
};

}  // namespace

absl::Status RunPairedLoad(const PairedLoadOptions& options,
                           const std::function<void(PairedTimes)>& tell) {
  PairedLoad load(options);
  PairedTimes times;
  for (int i = -kNumWarmUps; i < options.num_pairs; ++i) {
    const bool http_first = i % 2 == 0;
    if (http_first) TANDEM_RETURN_IF_ERROR(load.AskHttp(times));
    TANDEM_RETURN_IF_ERROR(load.AskGrpc(times));
    if (!http_first) TANDEM_RETURN_IF_ERROR(load.AskHttp(times));
    if (i >= 0) tell(times);
  }
  return absl::OkStatus();
}

}  // namespace tandem
