#!/usr/bin/env bash
# Asks a question about a picture with curl and prints the events as they come.
#
#   examples/curl.sh photo.png "What is in the picture?"
#
# The server is at TANDEM_URL, http://127.0.0.1:8080 if that is not set; the key,
# where one is wanted, in TANDEM_API_KEY. Wants curl and base64.
set -euo pipefail
picture=$1 question=$2
url=${TANDEM_URL:-http://127.0.0.1:8080}
key=(-H "Authorization: Bearer ${TANDEM_API_KEY:-none}")

case $picture in
  *.jpg | *.jpeg) kind=jpeg ;;
  *) kind=${picture##*.} ;;
esac

echo "== models"
curl --fail-with-body -sS "${key[@]}" "$url/v1/models"
echo

model=$(curl -sS "${key[@]}" "$url/v1/models" | grep -oE '"id": ?"[^"]+"' | head -n 1 | cut -d '"' -f 4)

# The body comes by standard input: a picture is too long for an argument.
echo "== an answer, as a stream of events"
curl --fail-with-body -sS --no-buffer "${key[@]}" "$url/v1/chat/completions" \
  -H 'Content-Type: application/json' --data-binary @- <<END
{"model": "$model", "temperature": 0, "stream": true, "messages": [{"role": "user", "content": [
  {"type": "image_url", "image_url": {"url": "data:image/$kind;base64,$(base64 -w0 "$picture")"}},
  {"type": "text", "text": "$question"}]}]}
END
