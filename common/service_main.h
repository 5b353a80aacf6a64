#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "common/host_port.h"
#include "common/metrics.h"
#include "common/process.h"
#include "common/service_frame.h"

namespace tandem {

// The body of every main that serves: makes the frame, opens the admin listener
// at once, and runs `serve`, which loads, starts its hosts, waits for `stop` and
// shuts them down. Ends the process with the exit code; never returns.
//
// `condition` is what readiness waits for; `serve` fulfils it.
int RunService(
    const std::string& program, const BuildInfo& build,
    const HostPort& admin_listen, const std::string& condition,
    const std::function<absl::Status(const ServiceFrame&, StopSignal&)>& serve);

}  // namespace tandem
