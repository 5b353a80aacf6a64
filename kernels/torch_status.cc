#include "kernels/torch_status.h"

#include <c10/util/Exception.h>

#include <exception>
#include <new>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"

namespace tandem {
namespace {

absl::Status OutOfMemory(absl::string_view what) {
  return MakeError(absl::StatusCode::kResourceExhausted,
                   reason::kDeviceOutOfMemory, what);
}

std::string FirstLine(absl::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

absl::Status FromC10(const c10::Error& error) {
  const std::string what = FirstLine(error.what_without_backtrace());
  // libtorch's host allocator throws a plain Error that says so in words.
  const bool out_of_memory =
      dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
      absl::StrContains(what, "can't allocate memory") ||
      absl::StrContains(what, "not enough memory");
  if (out_of_memory) return OutOfMemory(what);
  return MakeError(absl::StatusCode::kInternal, reason::kInternal, what);
}

}  // namespace

absl::Status TorchToStatus(const std::function<absl::Status()>& work) {
  try {
    return work();
  } catch (const c10::Error& error) {
    return FromC10(error);
  } catch (const std::bad_alloc&) {
    return OutOfMemory("host memory ran out");
  } catch (const std::exception& error) {
    return MakeError(absl::StatusCode::kInternal, reason::kInternal,
                     FirstLine(error.what()));
  }
}

}  // namespace tandem
