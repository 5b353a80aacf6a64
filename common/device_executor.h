#pragma once

#include <string>

#include "common/compute_executor.h"
#include "common/metrics.h"
#include "common/service_frame.h"

namespace tandem {

// The executor of one device as operators see it: while it lives its heartbeat
// counts, with the limits of the device, and the device's metrics are there.
class DeviceExecutor {
 public:
  // `engine` names the heartbeat ("vision"), `device` is as the options have it
  // ("cpu"). `frame` must outlive this.
  DeviceExecutor(const ServiceFrame& frame, const std::string& engine,
                 const std::string& device);
  ~DeviceExecutor();

  ComputeExecutor& executor() { return executor_; }

 private:
  Health& health_;
  const std::string engine_;
  ComputeExecutor executor_;
};

}  // namespace tandem
