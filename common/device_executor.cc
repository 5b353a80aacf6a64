#include "common/device_executor.h"

namespace tandem {

DeviceExecutor::DeviceExecutor(const ServiceFrame& frame,
                               const std::string& engine,
                               const std::string& device)
    : health_(frame.health), engine_(engine), executor_({.name = engine}) {
  const DeviceMetrics families(frame.metrics, device);
  if (device == "cpu") SetDeviceInfo(frame.metrics, "none", "cpu", "");
  health_.AddHeartbeat(engine, Health::LimitsOf(device),
                       [this] { return executor_.HeartbeatAge(); });
}

DeviceExecutor::~DeviceExecutor() { health_.RemoveHeartbeat(engine_); }

}  // namespace tandem
