// Wires the page: what a person does becomes a question, an answer fills its
// turn.

import { ApiError, listModels, streamAnswer } from './api.js';
import { Composer } from './composer.js';
import {
  exported,
  isRunning,
  messagesOf,
  newAnswer,
  newTurn,
  picturesOf,
  refusalOf,
  toldTurns,
} from './conversation.js';
import { byId, element } from './dom.js';
import { draw, examples, fileOf } from './examples.js';
import { wordsFor } from './error_words.js';
import { inspect } from './inspector.js';
import { saveAs, writeToClipboard } from './outside.js';
import { Panel } from './panel.js';
import { forget } from './pictures.js';
import { followAppearance, Settings } from './settings.js';
import { planTiles, sumOfTiles } from './tile_grid.js';
import { Transcript } from './transcript.js';

const lookAgainMs = 3000;

let turns = [];
let models = [];
let selected = null; // a turn; null: what is attached
let running = null; // AbortController of the answer that is being written
let lookTimer = 0;

const panel = new Panel();
const settings = new Settings(onSettings);
const transcript = new Transcript({
  select: (turn) => select(turn, true),
  regenerate,
  edit,
  copy,
  openSettings: () => openSettings('apiKey'),
});
const composer = new Composer({
  send: ask,
  refusal: (pictures) =>
    refusalOf(turns, pictures, servedModel()?.tandem?.accepts_images !== false),
  gridsOf: (pictures) => gridsOf(toldTurns(turns), pictures),
  tokensPerTile: () => tiling().tokensPerTile,
  isUpright: () => /hf/i.test(servedModel()?.tandem?.profile ?? ''),
  look: (opens) => select(null, opens),
});

function servedModel() {
  return models.find(({ id }) => id === settings.model);
}

function tiling() {
  const {
    tile_size: tileSize = 448,
    max_tiles: maxTiles = 12,
    tokens_per_tile: tokensPerTile = 0,
  } = servedModel()?.tandem ?? {};
  return {
    tileSize,
    tokensPerTile,
    maxTiles: settings.maxTiles || maxTiles,
    detail: settings.detail,
  };
}

// Grids of `pictures` in a request that tells `before` too: they share tiles.
function gridsOf(before, pictures) {
  const all = [...picturesOf(before), ...pictures];
  return planTiles(all, tiling()).slice(all.length - pictures.length);
}

// ---- The models ----

async function lookForModels() {
  clearTimeout(lookTimer);
  try {
    models = await listModels(settings.key);
    settings.offer(models);
    showServed(models.length > 0 ? 'ready' : 'failed', servedModel()?.id ?? 'No model is served');
  } catch (error) {
    const { title } = wordsFor(error);
    showServed('failed', title);
    if (error.status !== 401 && error.status !== 403)
      lookTimer = setTimeout(lookForModels, lookAgainMs);
  }
  composer.update();
  select(selected, false);
}

function showServed(state, text) {
  if (state === 'failed' && byId('servedText').textContent !== text) say(text);
  byId('served').dataset.state = state;
  byId('servedText').textContent = text;
}

function onSettings(field) {
  if (servedModel()) showServed('ready', settings.model);
  composer.update();
  select(selected, false);
  if (field === 'apiKey') {
    clearTimeout(lookTimer);
    lookTimer = setTimeout(lookForModels, 400);
  }
}

function openSettings(field) {
  panel.open('settingsTab');
  byId(field).focus();
}

// ---- Questions and answers ----

function ask(text, pictures) {
  if (settings.invalidField()) {
    openSettings(settings.invalidField().id);
    settings.form.reportValidity();
    return false;
  }
  const turn = newTurn(text, pictures);
  const before = turns.at(-1);
  turns.push(turn);
  transcript.add(turn);
  if (before) update(before);
  answer(turn);
  return true;
}

async function answer(turn) {
  running = new AbortController();
  const { signal } = running;
  turn.answer.model = settings.model;
  const asked = [...toldTurns(turns.slice(0, -1)), turn];
  turn.seen = picturesOf(asked);
  turn.grids = planTiles(turn.seen, tiling());
  composer.setBusy(true);
  say('Answering');
  if (!settings.form.contains(document.activeElement)) panel.show('inspectTab');
  select(turn, false);
  update(turn);
  const body = { ...settings.sampling(), messages: messagesOf(asked, settings) };
  try {
    const result = await streamAnswer(body, {
      key: settings.key,
      signal,
      onText: (text) => write(turn, text),
    });
    finish(turn, 'done', result);
  } catch (error) {
    if (error.name === 'AbortError') finish(turn, 'stopped', {});
    else
      finish(turn, 'failed', {
        error: error instanceof ApiError ? error : new ApiError(error.message),
      });
  }
}

function write(turn, text) {
  const { answer } = turn;
  if (answer.state === 'waiting') answer.firstTextAt = performance.now();
  answer.state = 'writing';
  answer.text += text;
  requestUpdate(turn);
}

// At most one change of the page a frame, however fast tokens come.
function requestUpdate(turn) {
  if (turn.isDue) return;
  turn.isDue = true;
  requestAnimationFrame(() => {
    turn.isDue = false;
    update(turn);
  });
}

function finish(turn, state, result) {
  Object.assign(turn.answer, result, { state, endedAt: performance.now() });
  running = null;
  composer.setBusy(false);
  if (turns.includes(turn)) update(turn);
  if (selected === turn) select(turn, false);
  say({ done: turn.answer.text, stopped: 'Stopped', failed: '' }[state]);
  if (turn.answer.error?.status === 401) showServed('failed', wordsFor(turn.answer.error).title);
}

function update(turn) {
  if (!turns.includes(turn)) return;
  transcript.update(turn, turn === turns.at(-1), sumOfTiles(turn.grids));
  const isEmpty = turns.length === 0;
  byId('welcome').hidden = !isEmpty;
  byId('newConversation').disabled = isEmpty;
  byId('export').disabled = isEmpty || running !== null;
}

function regenerate(turn) {
  if (running) return;
  turn.answer = newAnswer();
  answer(turn);
}

function edit(turn) {
  if (running) return;
  turns = turns.filter((other) => other !== turn);
  transcript.remove(turn);
  composer.fill(turn.text, turn.pictures);
  select(null, false);
  showEmptiness();
  if (turns.length > 0) update(turns.at(-1));
}

function stop() {
  running?.abort();
}

function newConversation() {
  stop();
  for (const picture of picturesOf(turns)) forget(picture);
  turns = [];
  transcript.clear();
  composer.fill('', []);
  select(null, false);
  showEmptiness();
}

function showEmptiness() {
  const isEmpty = turns.length === 0;
  byId('welcome').hidden = !isEmpty;
  byId('newConversation').disabled = isEmpty;
  byId('export').disabled = isEmpty;
}

// ---- Around them ----

// Shows a turn on the panel's first page; `opens`: brings that page up.
function select(turn, opens) {
  selected = turn;
  transcript.select(turn);
  if (turn) {
    inspect(turn.seen, turn.grids, isRunning(turn) ? null : turn.answer, tiling());
  } else {
    inspect(composer.pictures, gridsOf(toldTurns(turns), composer.pictures), null, tiling());
  }
  if (opens) panel.open('inspectTab');
}

async function copy(turn, button) {
  const done = await writeToClipboard(turn.answer.text);
  const label = done ? 'Copied' : 'Copying is not allowed here';
  button.append(label);
  say(label);
  setTimeout(
    () => button.lastChild?.nodeType === Node.TEXT_NODE && button.lastChild.remove(),
    1600,
  );
}

function say(text) {
  byId('spoken').textContent = text;
}

function showExamples() {
  const cards = examples.map(({ question, picture }) => {
    const drawing = picture
      ? draw(picture)
      : element('div', { class: 'plain' }, element('img', { src: 'playground/icon.svg', alt: '' }));
    if (picture) drawing.setAttribute('aria-hidden', 'true');
    const choose = async () => {
      composer.fill(question, []);
      if (picture) await composer.add([await fileOf(picture)]);
    };
    return element(
      'li',
      {},
      element(
        'button',
        { type: 'button', class: 'example', onclick: choose },
        drawing,
        element('span', {}, question),
      ),
    );
  });
  byId('examples').replaceChildren(...cards);
}

document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || event.isComposing) return;
  if (panel.isOpen) panel.close();
  else stop();
});
byId('stop').addEventListener('click', stop);
byId('newConversation').addEventListener('click', newConversation);
byId('export').addEventListener('click', () => {
  saveAs('tandem-conversation.json', 'application/json', exported(turns, settings.plain()));
});
byId('served').addEventListener('click', () => {
  lookForModels();
  openSettings('model');
});
followAppearance(document.querySelectorAll('input[name="appearance"]'));
showExamples();
composer.update();
lookForModels();
// Where typing needs no keyboard on the screen.
if (window.matchMedia('(pointer: fine)').matches) composer.question.focus();
