#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns from the calling function when `expression`, an absl::Status, failed.
#define TANDEM_RETURN_IF_ERROR(expression)                                \
  do {                                                                    \
    if (absl::Status tandem_status = (expression); !tandem_status.ok()) { \
      return tandem_status;                                               \
    }                                                                     \
  } while (false)

// Evaluates `expression`, an absl::StatusOr<T>; on failure returns its status,
// else moves the value into `declaration`.
#define TANDEM_ASSIGN_OR_RETURN(declaration, expression)                     \
  TANDEM_ASSIGN_OR_RETURN_IMPL_(TANDEM_CONCAT_(tandem_status_or_, __LINE__), \
                                declaration, expression)

// NOLINTBEGIN(bugprone-macro-parentheses): names and declarations have none
#define TANDEM_ASSIGN_OR_RETURN_IMPL_(result, declaration, expression) \
  auto result = (expression);                                          \
  if (!result.ok()) return std::move(result).status();                 \
  declaration = *std::move(result)
// NOLINTEND(bugprone-macro-parentheses)

#define TANDEM_CONCAT_(a, b) TANDEM_CONCAT_IMPL_(a, b)
#define TANDEM_CONCAT_IMPL_(a, b) a##b
