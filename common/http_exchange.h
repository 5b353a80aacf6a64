#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "common/http_server.h"

namespace tandem {

class HttpConnection;
struct HttpCore;

// Runs `act` on the strand of a connection that is still there; false if it is
// not, or its server has ended. From any thread.
bool ReachHttpConnection(HttpCore& core,
                         const std::weak_ptr<HttpConnection>& connection,
                         std::function<void(HttpConnection&)> act);

// Request number `number` of a connection.
std::shared_ptr<HttpExchange> MakeHttpExchange(
    std::shared_ptr<HttpCore> core, std::weak_ptr<HttpConnection> connection,
    int64_t number, HttpRequest request);

}  // namespace tandem
