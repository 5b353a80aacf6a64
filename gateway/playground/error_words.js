// What a person is told of an ApiError, and what helps.

const words = {
  unreachable: ['The server cannot be reached', 'Is it running? Your question is kept.'],
  connection_lost: ['The answer broke off', 'What came is kept. Ask again for the whole answer.'],
  peer_lost: [
    'The answer broke off',
    'A service behind the server was lost. Ask again for the whole answer.',
  ],
  context_length_exceeded: [
    'This conversation is too long for the model',
    'Start a new one, or give pictures fewer tiles.',
  ],
  model_not_found: ['The server has no such model', 'Choose another one in Settings.'],
  image_unsupported_format: [
    'A picture has a format that the model cannot read',
    'JPEG, PNG, WebP and BMP are read.',
  ],
  image_too_large: [
    'A picture is too large',
    'At most 20 MiB, 40 megapixels and 16,384 pixels a side.',
  ],
  image_truncated: ['A picture is not whole', 'Its file ends too early. Take another copy of it.'],
  image_invalid: ['A picture cannot be read', 'Take another copy of it.'],
  rate_limit_exceeded: ['This key has asked as much as it may for now', ''],
  content_too_large: [
    'The conversation is larger than the server takes',
    'Remove pictures, or start a new conversation.',
  ],
  device_out_of_memory: [
    'The card has no memory left for this',
    'Try again, or give pictures fewer tiles.',
  ],
};

const wordsOfStatus = {
  400: ['The server did not take the question', ''],
  401: ['The server wants an API key', 'Put yours into Settings.'],
  403: ['This key may not do that', 'Ask for access, or choose another model.'],
  404: words.model_not_found,
  413: words.content_too_large,
  429: ['The server is busy', ''],
  501: ['The server cannot do that', ''],
  503: ['The server is not ready', ''],
  504: ['The answer took too long', 'Ask again, or ask for fewer tokens.'],
};

// {title, hint, detail, delayMs}: `detail` is the server's own sentence.
export function wordsFor(error) {
  const [title, hint] = words[error.code] ??
    wordsOfStatus[error.status] ?? ['Something went wrong at the server', 'Try again.'];
  const detail = error.status === 0 ? '' : error.message;
  return { title, hint: error.retryAfterMs > 0 ? '' : hint, detail, delayMs: error.retryAfterMs };
}
