// Asks a question about a picture over gRPC and prints the answer as it comes.
//
//   npm --prefix examples install
//   node examples/node_grpc.mjs photo.png "What is in the picture?"
//
// The server is at TANDEM_TARGET, 127.0.0.1:50051 if that is not set; the protos
// are those of this repository, in whose root this is run.
import { readFileSync } from "node:fs";

import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const [picture, question] = process.argv.slice(2);
const definition = loadSync("tandem/v1/gateway.proto", {
  includeDirs: ["proto"],
  keepCase: true,
  longs: Number,
  enums: String,
});
const { ChatService } = grpc.loadPackageDefinition(definition).tandem.v1;
const client = new ChatService(
  process.env.TANDEM_TARGET ?? "127.0.0.1:50051",
  grpc.credentials.createInsecure(),
);

const metadata = new grpc.Metadata();
if (process.env.TANDEM_API_KEY) {
  metadata.set("authorization", `Bearer ${process.env.TANDEM_API_KEY}`);
}
const request = {
  messages: [
    { role: "user", content: [{ image: { data: readFileSync(picture) } }, { text: question }] },
  ],
  sampling: { temperature: 0 },
};
const deadline = Date.now() + 120_000;
try {
  for await (const chunk of client.Chat(request, metadata, { deadline })) {
    process.stdout.write(chunk.delta_text ?? "");
    if (chunk.usage) console.error(`\n${chunk.usage.completion_tokens} tokens`);
  }
} catch (error) {
  console.error(`${grpc.status[error.code]}: ${error.details}`);
  process.exitCode = 1;
}
client.close();
