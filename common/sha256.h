#pragma once

#include <memory>
#include <string>

#include "absl/strings/string_view.h"

struct evp_md_ctx_st;  // EVP_MD_CTX of OpenSSL

namespace tandem {

// SHA-256 of bytes that come in pieces. Not thread-safe.
// Source: FIPS 180-4, by OpenSSL.
class Sha256 {
 public:
  Sha256();
  ~Sha256();

  void Add(absl::string_view bytes);
  // The 32 bytes, or 64 lower-case hex digits. Once, after the last Add.
  std::string Digest();
  std::string Hex();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

std::string Sha256Digest(absl::string_view bytes);
std::string Sha256Hex(absl::string_view bytes);

}  // namespace tandem
