#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/grpc_status.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "tandem/v1/gateway.grpc.pb.h"

namespace tandem {

// A gateway that says what it was told to, in this process.
class FakeChatService final : public v1::ChatService::Service {
 public:
  FakeChatService() {
    grpc::ServerBuilder builder;
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~FakeChatService() override { server_->Shutdown(); }

  std::shared_ptr<grpc::Channel> Channel() {
    return server_->InProcessChannel({});
  }

  // Set before a call.
  std::vector<std::string> pieces = {"He", "llo"};  // of each answer
  absl::Status status;                              // its end
  bool wait_for_cancel = false;                     // after the pieces
  std::vector<std::string> models = {"tiny"};

  // The `authorization` of each call so far; empty where there was none.
  std::vector<std::string> authorizations() {
    absl::MutexLock lock(&mutex_);
    return authorizations_;
  }
  std::vector<v1::ChatRequest> requests() {
    absl::MutexLock lock(&mutex_);
    return requests_;
  }

  grpc::Status Chat(grpc::ServerContext* context,
                    const v1::ChatRequest* request,
                    grpc::ServerWriter<v1::ChatChunk>* writer) override {
    NoteCaller(*context);
    {
      absl::MutexLock lock(&mutex_);
      requests_.push_back(*request);
    }
    uint32_t token_id = 7;
    for (const std::string& piece : pieces) {
      v1::ChatChunk chunk;
      chunk.set_delta_text(piece);
      chunk.add_token_ids(token_id++);
      writer->Write(chunk);
    }
    while (wait_for_cancel && !context->IsCancelled()) {
      absl::SleepFor(absl::Milliseconds(1));
    }
    if (!status.ok()) return ToGrpcStatus(status);
    writer->Write(LastChunk());
    return grpc::Status::OK;
  }

  grpc::Status ListModels(grpc::ServerContext* context,
                          const v1::ListModelsRequest*,
                          v1::ListModelsResponse* response) override {
    NoteCaller(*context);
    for (const std::string& name : models) {
      response->add_models()->set_id(name);
    }
    return grpc::Status::OK;
  }

  grpc::Status GetModel(grpc::ServerContext* context,
                        const v1::GetModelRequest* request,
                        v1::GetModelResponse* response) override {
    NoteCaller(*context);
    response->mutable_model()->set_id(request->model());
    return grpc::Status::OK;
  }

 private:
  void NoteCaller(const grpc::ServerContext& context) {
    const auto found = context.client_metadata().find("authorization");
    absl::MutexLock lock(&mutex_);
    authorizations_.emplace_back();
    if (found == context.client_metadata().end()) return;
    authorizations_.back().assign(found->second.data(), found->second.size());
  }

  static v1::ChatChunk LastChunk() {
    v1::ChatChunk chunk;
    chunk.set_finish_reason(v1::FINISH_REASON_LENGTH);
    chunk.mutable_usage()->set_prompt_tokens(21);
    chunk.mutable_usage()->set_completion_tokens(2);
    chunk.mutable_usage()->set_image_tokens(3);
    chunk.mutable_usage()->set_cached_tokens(4);
    chunk.mutable_timings_ms()->set_prefill(1.5);
    return chunk;
  }

  std::unique_ptr<grpc::Server> server_;
  absl::Mutex mutex_;
  std::vector<v1::ChatRequest> requests_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> authorizations_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tandem
