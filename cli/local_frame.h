#pragma once

#include "common/clock.h"
#include "common/grpc_metrics.h"
#include "common/health.h"
#include "common/metrics.h"
#include "common/service_frame.h"

namespace tandem {

// The frame of services that no operator watches: those of `tandem chat`.
class LocalFrame {
 public:
  explicit LocalFrame(const BuildInfo& build)
      : metrics_(build, health_), grpc_metrics_(metrics_) {}

  ServiceFrame frame() {
    return {.clock = clock_,
            .health = health_,
            .metrics = metrics_,
            .grpc_metrics = grpc_metrics_};
  }

 private:
  RealClock clock_;
  Health health_;
  Metrics metrics_;
  GrpcMetrics grpc_metrics_;
};

}  // namespace tandem
