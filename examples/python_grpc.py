"""Asks a question about a picture over gRPC and prints the answer as it comes.

    pip install ./clients/python
    python examples/python_grpc.py photo.png "What is in the picture?"

The server is at TANDEM_TARGET, 127.0.0.1:50051 if that is not set.
"""

import os
import sys

from tandem_client import Client, TandemError, image


def main(path, question):
    target = os.environ.get("TANDEM_TARGET", "127.0.0.1:50051")
    with Client(target) as tandem:
        with tandem.stream([image(path), question], temperature=0) as chunks:
            for chunk in chunks:
                print(chunk.text, end="", flush=True)
        print()
        print(
            f"{chunk.usage.prompt_tokens} tokens in, {chunk.usage.completion_tokens} out,"
            f" {chunk.timings.time_to_first_token:.0f} ms to the first",
            file=sys.stderr,
        )


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (TandemError, OSError) as error:
        sys.exit(str(error))
