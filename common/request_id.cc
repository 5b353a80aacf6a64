#include "common/request_id.h"

#include <openssl/rand.h>

#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "grpcpp/client_context.h"
#include "grpcpp/server_context.h"

namespace tandem {

bool IsValidRequestId(absl::string_view id) {
  if (id.empty() || id.size() > 128) return false;
  for (const char c : id) {
    if (!absl::ascii_isalnum(c) && c != '.' && c != '_' && c != '-')
      return false;
  }
  return true;
}

std::string RandomHex(int bytes) {
  std::string random(bytes, '\0');
  // Without randomness a handle could be guessed: better no process.
  if (RAND_bytes(reinterpret_cast<unsigned char*>(random.data()), bytes) != 1)
    std::abort();
  return absl::BytesToHexString(random);
}

std::string AcceptRequestId(absl::string_view offered) {
  return IsValidRequestId(offered) ? std::string(offered)
                                   : absl::StrCat("req-", RandomHex(16));
}

std::string TakeRequestId(grpc::ServerContextBase& context) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find(kRequestIdHeader);
  std::string id = AcceptRequestId(
      found == metadata.end()
          ? absl::string_view()
          : absl::string_view(found->second.data(), found->second.size()));
  context.AddInitialMetadata(kRequestIdHeader, id);
  return id;
}

void SetRequestId(absl::string_view id, grpc::ClientContext& context) {
  context.AddMetadata(kRequestIdHeader, std::string(id));
}

}  // namespace tandem
