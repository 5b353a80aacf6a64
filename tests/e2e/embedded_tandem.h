#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "cli/embedded_server.h"
#include "cli/local_frame.h"
#include "tandem/v1/gateway.grpc.pb.h"

namespace tandem {

// `tandem serve` in the test's process, without its listener, with a model of
// tests/data/models in float32.
class EmbeddedTandem {
 public:
  // Stops the process where the model cannot be loaded: no test means anything
  // then.
  explicit EmbeddedTandem(const std::string& model);

  v1::ChatService::Stub& chat() { return *stub_; }

  // One call of ChatUnary; OK, or the typed error.
  absl::StatusOr<v1::ChatResponse> Ask(const v1::ChatRequest& request);
  absl::StatusOr<v1::CountTokensResponse> Count(
      const v1::CountTokensRequest& request);

  // Waits until everything that requests took is given back: no call, no
  // sequence, no image, no KV block. A test that never sees it fails.
  void ExpectIdle();

 private:
  bool IsIdle();

  LocalFrame frame_;
  std::unique_ptr<EmbeddedServer> server_;
  std::unique_ptr<v1::ChatService::Stub> stub_;
};

// A user's message with one text.
v1::ChatRequest TextRequest(const std::string& text);
// With one picture in front of the text.
v1::ChatRequest ImageRequest(std::string image, const std::string& text);

// The picture of the reference goldens as a PNG file.
std::string SyntheticPng(int width, int height);

}  // namespace tandem
