#include "cli/error_line.h"

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "cli/terminal_text.h"
#include "common/errors.h"

namespace tandem {

std::string ErrorLine(const absl::Status& status) {
  std::string line;
  if (const std::string reason = ErrorReason(status); !reason.empty()) {
    line = absl::StrCat(absl::StatusCodeToString(status.code()), " ", reason,
                        ": ");
  }
  return OneLine(absl::StrCat(line, status.message()));
}

void PrintError(const std::string& program, const absl::Status& status) {
  std::fprintf(stderr, "%s: %s\n", program.c_str(), ErrorLine(status).c_str());
}

}  // namespace tandem
