#pragma once

#include "common/model_options.h"
#include "tandem/v1/types.pb.h"

namespace tandem {

// What a service of `model` tells of itself, but for readiness; with a new
// replica id.
v1::ServiceInfo MakeServiceInfo(const OpenedModel& model);

}  // namespace tandem
