// Asks a question about a picture with OpenAI's SDK and prints the answer as it
// comes.
//
//   npm --prefix examples install
//   node examples/node_openai.mjs photo.png "What is in the picture?"
//
// The server is at TANDEM_URL, http://127.0.0.1:8080 if that is not set; the
// key, where one is wanted, in TANDEM_API_KEY.
import { readFileSync } from "node:fs";
import path from "node:path";

import OpenAI from "openai";

const [picture, question] = process.argv.slice(2);
const client = new OpenAI({
  baseURL: `${process.env.TANDEM_URL ?? "http://127.0.0.1:8080"}/v1`,
  apiKey: process.env.TANDEM_API_KEY ?? "none",
});

const kind = path.extname(picture).slice(1).replace("jpg", "jpeg");
const url = `data:image/${kind};base64,${readFileSync(picture).toString("base64")}`;
const models = await client.models.list();
const stream = await client.chat.completions.create({
  model: models.data[0].id,
  messages: [
    {
      role: "user",
      content: [
        { type: "image_url", image_url: { url } },
        { type: "text", text: question },
      ],
    },
  ],
  temperature: 0,
  stream: true,
  stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  process.stdout.write(chunk.choices[0]?.delta.content ?? "");
  if (chunk.usage) console.error(`\n${chunk.usage.total_tokens} tokens`);
}
