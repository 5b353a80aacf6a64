#include "llm_service/sha256.h"

#include "absl/strings/escaping.h"

namespace tandem {

Sha256::Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
  EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
}

void Sha256::Add(absl::string_view text) {
  EVP_DigestUpdate(context_.get(), text.data(), text.size());
}

std::string Sha256::Hex() {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_DigestFinal_ex(context_.get(), bytes, &size);
  return absl::BytesToHexString({reinterpret_cast<const char*>(bytes), size});
}

}  // namespace tandem
