#include "common/version.h"

#include "common/version_values.h"  // written by cmake/WriteVersion.cmake

namespace tandem {

const char* Version() { return TANDEM_VERSION; }

const char* Commit() { return TANDEM_COMMIT; }

}  // namespace tandem
