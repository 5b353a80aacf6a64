#include "gateway/gateway_host.h"

#include <thread>
#include <utility>

#include "common/grpc_limits.h"
#include "common/log.h"
#include "common/status_macros.h"

namespace tandem {
namespace {

HttpServer::Options HttpOptions(const GatewayHost::Options& options) {
  return {.listen = *options.http_listen,
          .num_threads = 2,
          .num_workers = 2,
          .max_connections = options.max_http_connections,
          .max_body_bytes = kMaxMessageBytes,
          .refusal = &OpenAiHttp::Refusal};
}

}  // namespace

std::vector<HostPort> GatewayHost::Options::listeners() const {
  std::vector<HostPort> listeners;
  if (grpc.listen.has_value()) listeners.push_back(*grpc.listen);
  if (http_listen.has_value()) listeners.push_back(*http_listen);
  return listeners;
}

GatewayHost::GatewayHost(Options options, GatewayServer& server,
                         const ServiceFrame& frame)
    : options_(std::move(options)),
      openai_(options_.openai, server.rpc_frame(), frame.health) {}

absl::StatusOr<std::unique_ptr<GatewayHost>> GatewayHost::Start(
    const Options& options, GatewayServer& server, const ServiceFrame& frame) {
  std::unique_ptr<GatewayHost> host(new GatewayHost(options, server, frame));
  TANDEM_ASSIGN_OR_RETURN(host->grpc_,
                          GrpcHost::Start(options.grpc, server.grpc_services(),
                                          frame.health, frame.grpc_metrics));
  if (!options.http_listen.has_value()) return host;
  TANDEM_ASSIGN_OR_RETURN(
      host->http_,
      HttpServer::Start(
          HttpOptions(options),
          [openai = &host->openai_](std::shared_ptr<HttpExchange> exchange) {
            openai->Handle(std::move(exchange));
          }));
  LogInfo("http listens", {{"address", host->http_->address().ToString()}});
  return host;
}

GatewayHost::~GatewayHost() = default;

std::optional<HostPort> GatewayHost::http_address() const {
  if (http_ == nullptr) return std::nullopt;
  return http_->address();
}

void GatewayHost::Shutdown(const absl::Notification& hurry) {
  std::thread http([&] {
    if (http_ == nullptr) return;
    hurry.WaitForNotificationWithTimeout(options_.grpc.pre_drain);
    http_->Drain(options_.grpc.drain, hurry);
    http_ = nullptr;
  });
  grpc_->Shutdown(hurry);
  http.join();
}

void AddGatewayHostOptions(CommandLine& line, GatewayHost::Options* options) {
  AddGrpcHostOptions(line, &options->grpc);
  line.Add("http-listen", "HOST:PORT", &options->http_listen,
           "Where the OpenAI-compatible API and the playground are served.");
  line.Add("max-http-connections", "1..", &options->max_http_connections,
           "HTTP connections at once; more are answered 429 and closed.");
  line.AddFlag("strict-fields", &options->openai.strict_fields,
               "Refuse unknown fields in bodies of HTTP requests.");
  line.AddList("image-hosts", "HOST[:PORT]", &options->openai.image_hosts,
               "Hosts whose images HTTP requests may name by https: URLs; "
               "http://HOST: unencrypted, private addresses too. Default: "
               "nothing is fetched.");
}

}  // namespace tandem
