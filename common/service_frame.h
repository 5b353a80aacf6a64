#pragma once

#include "common/clock.h"
#include "common/grpc_metrics.h"
#include "common/health.h"
#include "common/metrics.h"

namespace tandem {

// What a process gives each service in it. Three services in one process share
// one frame. All of it outlives the services.
struct ServiceFrame {
  Clock& clock;
  Health& health;
  Metrics& metrics;
  GrpcMetrics& grpc_metrics;
};

}  // namespace tandem
