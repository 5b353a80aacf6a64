#pragma once

#include <memory>

#include "common/channel.h"
#include "tests/gateway/chat_fixture.h"
#include "triton/grpc_service.grpc.pb.h"

namespace tandem {

// A gateway that serves the model "vlm", and a KServe client of it.
class KserveFixture : public ChatFixture {
 protected:
  using Stub = inference::GRPCInferenceService::Stub;

  ~KserveFixture() override { kserve_ = nullptr; }

  void Serve(Setup setup) {
    setup.engine.served_name = "vlm";
    StartGateway(setup);
    kserve_ = inference::GRPCInferenceService::NewStub(
        setup.listens ? MakeChannel(host_->address()->ToString())
                      : host_->InProcessChannel());
  }
  void Serve() { Serve(Setup()); }

  double KserveRequests(absl::StatusCode code,
                        Method method = Method::kChat) const {
    return Requests(code, method, Api::kKserve);
  }

  std::unique_ptr<Stub> kserve_;
};

}  // namespace tandem
