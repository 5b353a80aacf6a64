// The conversation: turns of a question and its answer, and what of them goes
// to the server. Knows nothing of the page.

import { maxPictures, maxRequestBytes } from './pictures.js';
import { mebibytes } from './dom.js';

let nextId = 1;

// `seen`, `grids`: the pictures of its request, those of the history too, and
// their tiles. `answer.state`: "waiting" until the first text, "writing", then
// "done", "stopped" or "failed".
export function newTurn(text, pictures) {
  return { id: nextId++, text, pictures, answer: newAnswer(), seen: [], grids: [] };
}

export function newAnswer() {
  return { text: '', state: 'waiting', startedAt: performance.now(), firstTextAt: 0, endedAt: 0 };
}

export const isRunning = ({ answer }) => answer.state === 'waiting' || answer.state === 'writing';

// A turn whose answer has no text cannot be told to the model.
export const isTold = ({ answer }) => answer.text !== '';

export function picturesOf(turns) {
  return turns.flatMap((turn) => turn.pictures);
}

// The request's messages: told turns, and the last one as the question.
export function messagesOf(turns, { systemText, detail, maxTiles }) {
  const messages = systemText ? [{ role: 'system', content: systemText }] : [];
  turns.forEach((turn, index) => {
    messages.push({ role: 'user', content: contentOf(turn, detail, maxTiles) });
    if (index < turns.length - 1) messages.push({ role: 'assistant', content: turn.answer.text });
  });
  return messages;
}

function contentOf({ text, pictures }, detail, maxTiles) {
  if (pictures.length === 0) return text;
  const parts = pictures.map(({ dataUrl }) => {
    const image = { url: dataUrl };
    if (detail !== 'auto') image.detail = detail;
    if (maxTiles) image.max_tiles = maxTiles;
    return { type: 'image_url', image_url: image };
  });
  if (text) parts.push({ type: 'text', text });
  return parts;
}

// The turns that a next question is asked after.
export const toldTurns = (turns) => turns.filter(isTold);

// Why `pictures` cannot be asked about after `turns`; empty when they can.
// `readsPictures`: the model does.
export function refusalOf(turns, pictures, readsPictures) {
  if (pictures.length > 0 && !readsPictures) return 'This model reads no pictures.';
  const all = [...picturesOf(toldTurns(turns)), ...pictures];
  if (all.length > maxPictures) {
    return `That would be ${all.length} pictures; a conversation may have ${maxPictures}.`;
  }
  const bytes = all.reduce((sum, { dataUrl }) => sum + dataUrl.length, 0);
  if (bytes > maxRequestBytes - (64 << 10)) {
    return `The pictures are ${mebibytes(bytes)} on their way; the server takes 32 MiB. Remove some, or start a new conversation.`;
  }
  return '';
}

// Everything of the conversation but the key, as JSON.
export function exported(turns, settings) {
  const { key: _, ...kept } = settings;
  const plain = turns.map(({ text, pictures, answer }) => ({
    question: {
      text,
      pictures: pictures.map(({ name, width, height, dataUrl }) => ({
        name,
        width,
        height,
        url: dataUrl,
      })),
    },
    answer: {
      text: answer.text,
      state: answer.state,
      model: answer.model,
      finish_reason: answer.finishReason,
      usage: answer.usage,
      timings_ms: answer.timings,
      error: answer.error && { code: answer.error.code, message: answer.error.message },
    },
  }));
  return JSON.stringify(
    {
      format: 'tandem-conversation',
      version: 1,
      exported: new Date().toISOString(),
      settings: kept,
      turns: plain,
    },
    null,
    2,
  );
}
