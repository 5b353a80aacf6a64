"""What the tests with the official OpenAI SDK share."""

import openai

from serving import HANG, MODEL, InteropTest

HELLO = [{"role": "user", "content": "Who are you?"}]
ENDLESS = {"max_tokens": 30000, "extra_body": {"ignore_eos": True}}


class OpenAiTest(InteropTest):
    """`self.client` is the SDK as its users have it, but for tries that would
    hide an error."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = cls.new_client()

    @classmethod
    def new_client(cls, kind=openai.OpenAI, **options):
        settings = {"api_key": "none", "max_retries": 0, "timeout": HANG, **options}
        client = kind(base_url=f"{cls.server.url()}/v1", **settings)
        if kind is openai.OpenAI:
            cls.addClassCleanup(client.close)
        return client

    def ask(self, messages=HELLO, **options):
        """A greedy answer."""
        settings = {"temperature": 0, "max_tokens": 32, **options}
        return self.client.chat.completions.create(
            model=MODEL, messages=messages, **settings
        )

    def text(self, messages=HELLO, **options):
        return self.ask(messages, **options).choices[0].message.content

    def chunks(self, messages=HELLO, **options):
        return list(self.ask(messages, stream=True, **options))


def joined(chunks):
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
