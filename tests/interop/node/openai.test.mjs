// The official OpenAI SDK for Node, as its users have it.
import assert from "node:assert/strict";
import { test } from "node:test";

import OpenAI from "openai";

import { at, dataUrl, formats, idle, model, question } from "./tandem.mjs";

const client = new OpenAI({ baseURL: `http://${at.http}/v1`, apiKey: "none", maxRetries: 0 });
const busy = new OpenAI({ baseURL: `http://${at.busyHttp}/v1`, apiKey: "none", maxRetries: 0 });
const hello = [{ role: "user", content: "Who are you?" }];
const greedy = { model, messages: hello, temperature: 0, max_tokens: 32 };
const endless = { model, messages: hello, max_tokens: 30000, ignore_eos: true, stream: true };

const ask = (more = {}, options) => client.chat.completions.create({ ...greedy, ...more }, options);
const textOf = async (more, options) => (await ask(more, options)).choices[0].message.content;

async function chunksOf(more = {}) {
  const chunks = [];
  for await (const chunk of await ask({ ...more, stream: true })) chunks.push(chunk);
  return chunks;
}

const join = (chunks) => chunks.map((c) => c.choices[0]?.delta.content ?? "").join("");

test("an answer has the shape that the SDK knows", async () => {
  const answer = await ask();
  assert.match(answer.id, /^chatcmpl-/);
  assert.equal(answer.object, "chat.completion");
  assert.equal(answer.choices[0].message.role, "assistant");
  assert.equal(answer.choices[0].message.refusal, null);
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert.match(answer.choices[0].message.content, /Tandem demo model/);
  const { prompt_tokens, completion_tokens, total_tokens } = answer.usage;
  assert.equal(prompt_tokens + completion_tokens, total_tokens);
});

test("the pieces of a stream are the whole", async () => {
  assert.equal(join(await chunksOf()), await textOf());
});

test("the role comes with the first token and the reason with the last chunk", async () => {
  const chunks = await chunksOf();
  assert.equal(chunks[0].choices[0].delta.role, "assistant");
  assert.ok(chunks[0].choices[0].delta.content);
  assert.equal(chunks.at(-1).choices[0].finish_reason, "stop");
});

test("include_usage makes one chunk more without choices", async () => {
  const chunks = await chunksOf({ stream_options: { include_usage: true } });
  assert.deepEqual(chunks.at(-1).choices, []);
  assert.equal(chunks.at(-1).usage.completion_tokens, (await ask()).usage.completion_tokens);
  assert.ok(chunks.slice(0, -1).every((c) => c.usage === null));
});

test("the SDK's stream helper works", async () => {
  const stream = client.chat.completions.stream(greedy);
  const pieces = [];
  stream.on("content", (piece) => pieces.push(piece));
  const final = await stream.finalChatCompletion();
  assert.equal(pieces.join(""), final.choices[0].message.content);
});

for (const format of Object.keys(formats)) {
  test(`a data URL of ${format}`, async () => {
    const answer = await ask({ messages: question("What is in the picture?", format) });
    assert.equal(answer.usage.prompt_tokens_details.image_tokens, 256);
  });
}

test("the model sees the picture", async () => {
  assert.match(await textOf({ messages: question("What is in the picture?", "png") }), /heart/);
});

test("a conversation goes on with the SDK's own answer", async () => {
  const messages = question("What shape do you see?", "png");
  const said = (await ask({ messages })).choices[0].message;
  const more = [...messages, said, { role: "user", content: "And what color is it?" }];
  assert.ok(await textOf({ messages: more }));
});

test("a stop ends the text before it", async () => {
  const answer = await ask({ stop: ["demo"] });
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert.doesNotMatch(answer.choices[0].message.content, /demo/);
});

test("equal seeds draw equal texts", async () => {
  const draw = (seed) => textOf({ temperature: 2, seed, ignore_eos: true });
  assert.equal(await draw(7), await draw(7));
  assert.notEqual(await draw(7), await draw(8));
});

test("logprobs are those of the tokens", async () => {
  const answer = await ask({ logprobs: true, top_logprobs: 2 });
  for (const entry of answer.choices[0].logprobs.content) {
    assert.equal(entry.top_logprobs.length, 2);
    assert.equal(entry.top_logprobs[0].token, entry.token);
  }
});

test("many at once get the answer they get alone", async () => {
  const texts = await Promise.all(Array.from({ length: 12 }, () => textOf()));
  assert.equal(new Set(texts).size, 1);
});

test("models are listed and retrieved", async () => {
  const { data } = await client.models.list();
  assert.deepEqual(data.map((m) => m.id), [model]);
  assert.equal((await client.models.retrieve(model)).object, "model");
});

test("a completion goes on from its prompt", async () => {
  const request = { model, prompt: "I am the", temperature: 0, max_tokens: 8 };
  const whole = await client.completions.create(request);
  const pieces = [];
  for await (const chunk of await client.completions.create({ ...request, stream: true })) {
    pieces.push(chunk.choices[0].text);
  }
  assert.equal(pieces.join(""), whole.choices[0].text);
});

test("the request id is where the SDK looks for it", async () => {
  const answer = await ask({}, { headers: { "x-request-id": "interop.js-1" } });
  assert.equal(answer._request_id, "interop.js-1");
});

const url = "messages[0].content[0].image_url.url";
const picture = (address) => ({
  messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: address } }] }],
});
for (const [name, more, param, code] of [
  ["temperature", { temperature: 2.1 }, "temperature", "invalid_value"],
  ["top_p", { top_p: 0 }, "top_p", "invalid_value"],
  ["n", { n: 2 }, "n", "invalid_value"],
  ["max_tokens", { max_tokens: 0 }, "max_tokens", "invalid_value"],
  ["stop", { stop: [""] }, "stop[0]", "invalid_value"],
  ["stream_options", { stream_options: {} }, "stream_options", "invalid_value"],
  ["tools", { tools: [{ type: "function", function: { name: "f" } }] }, "tools", "unsupported_parameter"],
  ["an address on the web", picture("https://example.com/a.png"), url, undefined],
  ["a cut picture", picture(dataUrl("jpeg").slice(0, -400)), url, "image_truncated"],
]) {
  test(`refused and named: ${name}`, async () => {
    await assert.rejects(ask(more), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError, String(error));
      assert.equal(error.type, "invalid_request_error");
      assert.equal(error.param, param);
      if (code) assert.equal(error.code, code);
      assert.ok(error.requestID);
      return true;
    });
  });
}

test("an unknown model is not found", async () => {
  await assert.rejects(ask({ model: "gpt-9" }), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.equal(error.code, "model_not_found");
    return true;
  });
});

test("an error of a stream comes before its first byte", async () => {
  await assert.rejects(ask({ temperature: 3, stream: true }), OpenAI.BadRequestError);
});

test("breaking out of a stream stops the work", async () => {
  for await (const chunk of await client.chat.completions.create(endless)) {
    if (chunk) break;
  }
  await idle();
});

test("aborting a request stops the work", async () => {
  const stream = await client.chat.completions.create(endless);
  let chunks = 0;
  for await (const chunk of stream) {
    if (chunk && ++chunks === 2) stream.controller.abort();
  }
  await idle();
});

test("a timeout is the SDK's own error and frees the place", async () => {
  const request = { ...endless, stream: false };
  await assert.rejects(
    client.chat.completions.create(request, { timeout: 400 }),
    OpenAI.APIConnectionTimeoutError,
  );
  await idle();
});

test("a refusal says when to come back, and the SDK does", async () => {
  const running = await busy.chat.completions.create(endless);
  const reading = running[Symbol.asyncIterator]();
  await reading.next();
  await assert.rejects(busy.chat.completions.create(greedy), (error) => {
    assert.ok(error instanceof OpenAI.RateLimitError);
    assert.equal(error.code, "queue_full");
    assert.ok(Number(error.headers.get("retry-after-ms")) > 0);
    return true;
  });
  setTimeout(() => running.controller.abort(), 100);
  const answer = await busy.chat.completions.create(greedy, { maxRetries: 20 });
  assert.match(answer.choices[0].message.content, /Tandem/);
});
