#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tandem/v1/gateway.pb.h"
#include "triton/grpc_service.pb.h"

namespace tandem {

// Chats as tensors: KServe's Open Inference Protocol v2 with Triton's
// extensions. Values only; everything here is thread-safe.
//
//   input         datatype  shape
//   text_input    BYTES     [1]    the user's text, UTF-8
//   image         BYTES     [-1]   optional: encoded files, before the text
//   max_tokens    INT32     [1]    optional
//   temperature   FP32      [1]    optional
//   stream        BOOL      [1]    optional: a response for each piece of text
//   output
//   text_output   BYTES     [1]    of this response
//   finish_reason BYTES     [1]    "stop" or "length"; empty until the last one
//   output_tokens INT32     [1]    of this response

// Of the one version that a model has.
inline constexpr char kKserveModelVersion[] = "1";

enum class KserveOutput { kTextOutput, kFinishReason, kOutputTokens };

struct KserveRequest {
  std::string id;  // the caller's, echoed as it is
  bool stream = false;
  std::vector<KserveOutput> outputs;  // in the order to answer them
  v1::ChatRequest chat;
};

// What the caller asks for; `request` loses its bytes on the way.
//
// Values stand in `raw_input_contents`, one entry an input in their order
// (little-endian; a BYTES element after its length in 4 bytes), or in the
// inputs' own `contents`. INVALID_ARGUMENT naming the tensor and the bound for
// an unknown, doubled or missing one, another datatype or shape, a number of
// values or bytes that is not its shape's, both representations, and for a
// parameter that has no meaning here. At most `max_images` images. NOT_FOUND
// MODEL_NOT_FOUND for a version that is not there.
absl::StatusOr<KserveRequest> ParseInferRequest(
    inference::ModelInferRequest request, int max_images);

// OK for the version that there is, and for none.
absl::Status CheckKserveVersion(const std::string& model,
                                const std::string& version);

// One response of the outputs that `request` wants, all of `chunk`.
inference::ModelInferResponse ToInferResponse(const KserveRequest& request,
                                              const v1::ChatChunk& chunk);

// Adds to `whole`, for ToInferResponse, what `chunk` says.
void AddChunk(const v1::ChatChunk& chunk, v1::ChatChunk& whole);

// `status`, which may name a field of ChatRequest, said of the tensor that this
// was made from.
absl::Status AtTensor(const absl::Status& status);

// What a model takes and gives.
inference::ModelMetadataResponse KserveMetadata(const v1::Model& model);
inference::ModelConfig KserveConfig(const v1::Model& model);

}  // namespace tandem
