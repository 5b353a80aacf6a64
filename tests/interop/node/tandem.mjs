// What the tests share: where the server is, and pictures as files.
import { readFileSync } from "node:fs";
import path from "node:path";

// Written by run_node.py, which starts what is behind it.
export const root = process.env.TANDEM_ROOT;
export const model = "demo";
export const at = {
  grpc: process.env.TANDEM_GRPC,
  http: process.env.TANDEM_HTTP,
  admin: process.env.TANDEM_ADMIN,
  busyGrpc: process.env.TANDEM_BUSY_GRPC,
  busyHttp: process.env.TANDEM_BUSY_HTTP,
};

export const formats = {
  png: "tests/data/shapes/heart.png",
  jpeg: "tests/data/shapes/moon.jpg",
  webp: "tests/data/images/webp_lossless_64x48.webp",
  bmp: "tests/data/images/bmp_rgb_64x48.bmp",
};

export const bytesOf = (format) => readFileSync(path.join(root, formats[format]));

export const dataUrl = (format) =>
  `data:image/${format};base64,${bytesOf(format).toString("base64")}`;

// A user's turn: pictures of one tile, then the text.
export const question = (text, ...pictures) => [
  {
    role: "user",
    content: [
      ...pictures.map((format) => ({
        type: "image_url",
        image_url: { url: dataUrl(format), detail: "low" },
      })),
      { type: "text", text },
    ],
  },
];

// Waits until the server works on nothing.
export async function idle() {
  const deadline = Date.now() + 300_000; // only ends a test that would hang
  for (;;) {
    if (Date.now() > deadline) throw new Error("the server still works on something");
    const metrics = await (await fetch(`http://${at.admin}/metrics`)).text();
    const busy = metrics
      .split("\n")
      .filter((line) => /^tandem_(requests_in_flight|llm_requests_running)\b/.test(line))
      .some((line) => Number(line.split(" ").pop()) > 0);
    if (!busy) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
