#!/usr/bin/env bash
# Looks at a server with grpcurl and asks it a question: no file of this
# repository is needed, the server describes itself by reflection.
#
#   examples/grpcurl.sh
#
# The server is at TANDEM_TARGET, 127.0.0.1:50051 if that is not set.
# https://github.com/fullstorydev/grpcurl is not in Debian 12.
set -euo pipefail
target=${TANDEM_TARGET:-127.0.0.1:50051}

echo "== services"
grpcurl -plaintext "$target" list

echo "== methods"
grpcurl -plaintext "$target" list tandem.v1.ChatService

echo "== health"
grpcurl -plaintext -d '{"service": "readiness"}' "$target" grpc.health.v1.Health/Check

echo "== models"
grpcurl -plaintext "$target" tandem.v1.ChatService/ListModels

# With an API key: -H "authorization: Bearer $TANDEM_API_KEY"
echo "== a stream"
grpcurl -plaintext -d '{
  "messages": [{"role": "user", "content": [{"text": "Who are you?"}]}],
  "sampling": {"temperature": 0}
}' "$target" tandem.v1.ChatService/Chat
