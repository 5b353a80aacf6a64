#pragma once

#include "absl/status/status.h"
#include "tandem/v1/types.pb.h"

namespace tandem {

// OK when a vision and an llm service may work together: same fingerprint,
// profile, shapes and dtype, and no card in both unless that is allowed.
// FAILED_PRECONDITION EMBEDDING_INCOMPATIBLE, naming what differs; a client may
// see it, so it names no card.
absl::Status CheckPairing(const v1::ServiceInfo& vision,
                          const v1::ServiceInfo& llm, bool allow_shared_device);

}  // namespace tandem
