"""Asks a question about a picture with OpenAI's SDK and prints the answer as it
comes.

    pip install openai
    python examples/python_openai.py photo.png "What is in the picture?"

The server is at TANDEM_URL, http://127.0.0.1:8080 if that is not set; the key,
where one is wanted, in TANDEM_API_KEY.
"""

import base64
import mimetypes
import os
import sys

import openai


def main(path, question):
    url = os.environ.get("TANDEM_URL", "http://127.0.0.1:8080")
    key = os.environ.get("TANDEM_API_KEY", "none")
    client = openai.OpenAI(base_url=f"{url}/v1", api_key=key)
    with open(path, "rb") as file:
        data = base64.b64encode(file.read()).decode()
    kind = mimetypes.guess_type(path)[0] or "image/png"
    content = [
        {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}},
        {"type": "text", "text": question},
    ]
    stream = client.chat.completions.create(
        model=client.models.list().data[0].id,
        messages=[{"role": "user", "content": content}],
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in stream:
        if chunk.choices:
            print(chunk.choices[0].delta.content or "", end="", flush=True)
        elif chunk.usage:
            print(f"\n{chunk.usage.total_tokens} tokens", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (openai.OpenAIError, OSError) as error:
        sys.exit(str(error))
