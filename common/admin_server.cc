#include "common/admin_server.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/log.h"
#include "common/version.h"
#include "nlohmann/json.hpp"

namespace tandem {
namespace {

HttpResponse Probe(bool ok, const Health::State& state) {
  if (ok) return {.status = 200, .body = "ok\n"};
  return {.status = 503, .body = absl::StrCat(state.reason, "\n")};
}

HttpResponse VersionPage(const std::string& program) {
  const nlohmann::ordered_json page = {
      {"program", program}, {"version", Version()}, {"commit", Commit()}};
  return {.content_type = "application/json", .body = page.dump() + "\n"};
}

HttpResponse Handle(const HttpRequest& request, const std::string& program,
                    const Health& health, Metrics& metrics) {
  const Health::State state = health.Get();
  HttpResponse response{.status = 404, .body = "not found\n"};
  if (request.path == "/healthz") response = Probe(state.live, state);
  if (request.path == "/readyz")
    response = Probe(state.live && state.ready, state);
  if (request.path == "/startupz") response = Probe(state.started, state);
  if (request.path == "/version") response = VersionPage(program);
  if (request.path == "/metrics") {
    response = {.content_type = "text/plain; version=0.0.4; charset=utf-8",
                .body = metrics.Text()};
  }
  if (response.status != 404 && request.method != "GET") {
    return {.status = 405,
            .body = "method not allowed\n",
            .headers = {{"Allow", "GET, HEAD"}}};
  }
  return response;
}

}  // namespace

absl::StatusOr<std::unique_ptr<AdminServer>> AdminServer::Start(
    const HostPort& listen, std::string program, const Health& health,
    Metrics& metrics) {
  absl::StatusOr<std::unique_ptr<HttpServer>> server = HttpServer::Start(
      {.listen = listen}, [program = std::move(program), &health,
                           &metrics](const HttpRequest& request) {
        return Handle(request, program, health, metrics);
      });
  if (!server.ok()) return server.status();
  LogInfo("admin listens", {{"address", (*server)->address().ToString()}});
  return std::unique_ptr<AdminServer>(new AdminServer(*std::move(server)));
}

}  // namespace tandem
