// Server-sent events out of a body that is read as it comes.

const maxEventCharacters = 1 << 20;

// Yields the data of every event of a ReadableStream of bytes. Throws where one
// event has no end.
export async function* readEvents(stream) {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  let data = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += decoder.decode(value, { stream: true });
      const lines = rest.split(/\r?\n/);
      rest = lines.pop();
      for (const line of lines) {
        if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''));
        if (line === '' && data.length > 0) {
          yield data.join('\n');
          data = [];
        }
      }
      const held = data.reduce((sum, line) => sum + line.length, rest.length);
      if (held > maxEventCharacters) throw new Error('an event has no end');
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
