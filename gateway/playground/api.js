// The server as the page sees it: its models and its answers.

import { readEvents } from './sse.js';

// What went wrong: `status` of HTTP (0: no answer came), `code` and `message`
// as the server says them, `retryAfterMs` where it names a delay.
export class ApiError extends Error {
  constructor(
    message,
    { status = 0, code = '', param = '', retryAfterMs = 0, requestId = '' } = {},
  ) {
    super(message);
    Object.assign(this, { status, code, param, retryAfterMs, requestId });
  }
}

function headersOf(key) {
  return key ? { authorization: `Bearer ${key}` } : {};
}

function retryDelay(headers) {
  const milliseconds = Number(headers.get('retry-after-ms'));
  if (milliseconds > 0) return milliseconds;
  const seconds = Number(headers.get('retry-after'));
  return seconds > 0 ? seconds * 1000 : 0;
}

async function errorOf(response) {
  const details = {
    status: response.status,
    retryAfterMs: retryDelay(response.headers),
    requestId: response.headers.get('x-request-id') ?? '',
  };
  try {
    const { error } = await response.json();
    return new ApiError(error.message, {
      ...details,
      code: error.code ?? error.type ?? '',
      param: error.param ?? '',
    });
  } catch {
    return new ApiError(`The server answered ${response.status}.`, details);
  }
}

async function send(path, options) {
  try {
    return await fetch(path, { cache: 'no-store', credentials: 'same-origin', ...options });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError('The server cannot be reached.', { code: 'unreachable' });
  }
}

export async function listModels(key) {
  const response = await send('v1/models', { headers: headersOf(key) });
  if (!response.ok) throw await errorOf(response);
  return (await response.json()).data;
}

// Streams an answer. `onText(text)` for every piece of it. Returns {usage,
// timings, finishReason, requestId}, each as far as the server said it.
export async function streamAnswer(body, { key, signal, onText }) {
  const response = await send('v1/chat/completions', {
    method: 'POST',
    signal,
    headers: { ...headersOf(key), 'content-type': 'application/json', 'x-tandem-timings': '1' },
    body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
  });
  if (!response.ok) throw await errorOf(response);
  const result = { requestId: response.headers.get('x-request-id') ?? '' };
  try {
    await readChunks(response.body, result, onText);
  } catch (error) {
    if (error.name === 'AbortError' || error instanceof ApiError) throw error;
    throw new ApiError('The connection was lost within the answer.', {
      code: 'connection_lost',
      ...result,
    });
  }
  if (!result.finishReason) {
    throw new ApiError('The answer broke off before its end.', {
      code: 'connection_lost',
      ...result,
    });
  }
  return result;
}

async function readChunks(stream, result, onText) {
  for await (const data of readEvents(stream)) {
    if (data === '[DONE]') return;
    const chunk = JSON.parse(data);
    if (chunk.error) {
      const { message, code, type } = chunk.error;
      throw new ApiError(message, {
        status: 200,
        code: code ?? type ?? '',
        requestId: result.requestId,
      });
    }
    const choice = chunk.choices?.[0];
    if (choice?.delta?.content) onText(choice.delta.content);
    if (choice?.finish_reason) result.finishReason = choice.finish_reason;
    if (chunk.usage) result.usage = chunk.usage;
    if (chunk.timings_ms) result.timings = chunk.timings_ms;
  }
}
