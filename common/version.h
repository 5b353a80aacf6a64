#pragma once

namespace tandem {

// Release of this program, "0.1.0".
const char* Version();

// The commit it was built from, abbreviated, with "-dirty" where the tree
// differed; "unknown" outside a checkout.
const char* Commit();

}  // namespace tandem
