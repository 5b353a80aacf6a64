#pragma once

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "openssl/evp.h"

namespace tandem {

// SHA-256 over all text that is added, one after the other. Not thread-safe.
class Sha256 {
 public:
  Sha256();

  void Add(absl::string_view text);

  // The digest in lower-case hex; nothing may be added afterwards.
  std::string Hex();

 private:
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace tandem
