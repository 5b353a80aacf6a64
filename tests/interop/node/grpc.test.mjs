// grpc-js, an implementation of gRPC of its own, with protos as they are.
import assert from "node:assert/strict";
import path from "node:path";
import { after, test } from "node:test";

import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import health from "grpc-health-check";

import { at, bytesOf, formats, idle, model, root } from "./tandem.mjs";

const options = { keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true };
const load = (file, folder) => loadSync(file, { ...options, includeDirs: [path.join(root, folder)] });
const protos = grpc.loadPackageDefinition(load("tandem/v1/gateway.proto", "proto"));
const rpc = {
  ...load("google/rpc/status.proto", "third_party/googleapis"),
  ...load("google/rpc/error_details.proto", "third_party/googleapis"),
};
const plain = grpc.credentials.createInsecure();
const chat = new protos.tandem.v1.ChatService(at.grpc, plain);
const busy = new protos.tandem.v1.ChatService(at.busyGrpc, plain);
const probe = new (grpc.loadPackageDefinition(
  loadSync(health.protoPath, options),
).grpc.health.v1.Health)(at.grpc, plain);
after(() => [chat, busy, probe].forEach((client) => client.close()));

const turn = (...content) => [{ role: "user", content }];
const greedy = {
  messages: turn({ text: "Who are you?" }),
  sampling: { temperature: 0, max_tokens: 32 },
};
const endless = { ...greedy, sampling: { max_tokens: 30000, ignore_eos: true } };

const call = (client, method, request, ...more) =>
  new Promise((resolve, reject) => {
    client[method](request, ...more, (error, answer) => (error ? reject(error) : resolve(answer)));
  });

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

// {type's name: detail} of an error's google.rpc.Status.
function detailsOf(error) {
  const [bytes] = error.metadata.get("grpc-status-details-bin");
  const status = rpc["google.rpc.Status"].deserialize(bytes);
  assert.equal(status.code, error.code);
  const found = {};
  for (const { type_url, value } of status.details) {
    const name = type_url.split("/").pop();
    found[name.split(".").pop()] = rpc[name].deserialize(value);
  }
  return found;
}

const fails = async (promise, code) => {
  let failed;
  await assert.rejects(promise, (error) => {
    failed = error;
    assert.equal(error.code, code, String(error));
    return true;
  });
  return failed;
};

test("unary and stream say the same", async () => {
  const whole = await call(chat, "ChatUnary", greedy);
  const chunks = await collect(chat.Chat(greedy));
  assert.match(whole.text, /Tandem demo model/);
  assert.equal(chunks.map((c) => c.delta_text).join(""), whole.text);
});

test("a stream ends with reason, usage and timings together", async () => {
  const chunks = await collect(chat.Chat(greedy));
  const last = chunks.at(-1);
  assert.equal(last.finish_reason, "FINISH_REASON_STOP");
  assert.ok(last.usage.prompt_tokens > 0);
  assert.ok(last.timings_ms.total > 0);
  assert.ok(chunks.slice(0, -1).every((c) => c.usage === null));
});

for (const format of Object.keys(formats)) {
  test(`an image of ${format}`, async () => {
    const image = { data: bytesOf(format), detail: "DETAIL_LOW" };
    const messages = turn({ image }, { text: "What is in the picture?" });
    const answer = await call(chat, "ChatUnary", { ...greedy, messages });
    assert.equal(answer.usage.image_tokens, 256);
  });
}

test("models are listed and described", async () => {
  const { models } = await call(chat, "ListModels", {});
  assert.deepEqual(models.map((m) => m.id), [model]);
  assert.deepEqual((await call(chat, "GetModel", { model })).model, models[0]);
});

test("counted tokens are those of the answer", async () => {
  const counted = await call(chat, "CountTokens", { messages: greedy.messages });
  const answered = await call(chat, "ChatUnary", greedy);
  assert.equal(counted.prompt_tokens, answered.usage.prompt_tokens);
});

test("many at once get the answer they get alone", async () => {
  const answers = await Promise.all(
    Array.from({ length: 12 }, () => call(chat, "ChatUnary", greedy)),
  );
  assert.equal(new Set(answers.map((a) => a.text)).size, 1);
});

test("a wrong number is named in the details, with the request's id", async () => {
  const metadata = new grpc.Metadata();
  metadata.set("x-request-id", "interop.js-2");
  const request = { ...greedy, sampling: { temperature: 9 } };
  const error = await fails(call(chat, "ChatUnary", request, metadata), grpc.status.INVALID_ARGUMENT);
  const { ErrorInfo, BadRequest, RequestInfo } = detailsOf(error);
  assert.equal(ErrorInfo.reason, "FIELD_INVALID");
  assert.equal(ErrorInfo.domain, "tandem");
  assert.equal(BadRequest.field_violations[0].field, "sampling.temperature");
  assert.equal(RequestInfo.request_id, "interop.js-2");
});

test("a broken image is named in the details", async () => {
  const messages = turn({ text: "What?" }, { image: { data: bytesOf("jpeg").subarray(0, -300) } });
  const request = { ...greedy, messages };
  const error = await fails(call(chat, "ChatUnary", request), grpc.status.INVALID_ARGUMENT);
  assert.equal(detailsOf(error).ErrorInfo.reason, "IMAGE_TRUNCATED");
});

test("an unknown model is not found, in a stream too", async () => {
  await fails(call(chat, "GetModel", { model: "gpt" }), grpc.status.NOT_FOUND);
  await fails(collect(chat.Chat({ ...greedy, model: "gpt" })), grpc.status.NOT_FOUND);
});

test("a refusal says when to come back", async () => {
  const running = busy.Chat(endless);
  running.on("error", () => {});
  await new Promise((resolve) => running.once("data", resolve));
  const error = await fails(call(busy, "ChatUnary", greedy), grpc.status.RESOURCE_EXHAUSTED);
  const { ErrorInfo, RetryInfo } = detailsOf(error);
  assert.equal(ErrorInfo.reason, "OVERLOADED");
  assert.ok(RetryInfo.retry_delay.seconds > 0 || RetryInfo.retry_delay.nanos > 0);
  running.cancel();
});

test("a cancelled stream frees its place", async () => {
  const stream = chat.Chat(endless);
  stream.once("data", () => stream.cancel());
  await fails(collect(stream), grpc.status.CANCELLED);
  await idle();
});

test("a deadline ends a stream and frees its place", async () => {
  const stream = chat.Chat(endless, { deadline: Date.now() + 400 });
  await fails(collect(stream), grpc.status.DEADLINE_EXCEEDED);
  await idle();
});

for (const service of ["", "liveness", "readiness", "tandem.v1.ChatService", "tandem.v1.ChatService/vision"]) {
  test(`health of "${service}" is SERVING`, async () => {
    assert.equal((await call(probe, "Check", { service })).status, "SERVING");
  });
}

test("health of an unknown name is not found, and a watch of it waits", async () => {
  await fails(call(probe, "Check", { service: "nothing" }), grpc.status.NOT_FOUND);
  const watch = probe.Watch({ service: "nothing" });
  watch.on("error", () => {});
  const first = await new Promise((resolve) => watch.once("data", resolve));
  assert.equal(first.status, "SERVICE_UNKNOWN");
  watch.cancel();
});
