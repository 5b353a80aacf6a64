#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/metrics.h"
#include "grpcpp/support/client_interceptor.h"
#include "grpcpp/support/server_interceptor.h"

namespace tandem {

// Counts and times gRPC calls on both sides:
//
//   grpc_server_calls_started_total     grpc_method
//   grpc_server_call_duration_seconds   grpc_method, grpc_status
//   grpc_client_attempt_duration_seconds  grpc_method, grpc_status, grpc_target
//
// Methods are those of Tandem's protos, anything else is "other". Source of
// names and meaning: gRFC A66.
class GrpcMetrics {
 public:
  explicit GrpcMetrics(Metrics& metrics);
  ~GrpcMetrics();

  // For a server with these services ("tandem.v1.VisionService"), whose methods
  // are counted from zero. This object must outlive the server.
  std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>
  ServerInterceptor(const std::vector<std::string>& services);
  // For one channel to `target`.
  std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>
  ClientInterceptor(absl::string_view target);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;  // shared with the interceptors of late calls
};

}  // namespace tandem
