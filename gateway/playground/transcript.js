// The conversation on the page. A turn's nodes are made once and then follow
// its answer; text of the model becomes text nodes only.

import { byId, element, icon, milliseconds, plural } from './dom.js';
import { wordsFor } from './error_words.js';
import { isRunning, isTold } from './conversation.js';
import { tokensPerSecond } from './inspector.js';

export class Transcript {
  // `actions`: {select, regenerate, edit, copy, openSettings}, each called with
  // a turn.
  constructor(actions) {
    this.actions = actions;
    this.list = byId('turns');
    this.scroller = byId('scroller');
    this.nodes = new Map(); // turn id -> its nodes
    this.follows = true;
    this.scroller.addEventListener('scroll', () => this.noticeScroll());
    byId('toLatest').addEventListener('click', () => this.toLatest());
  }

  noticeScroll() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    this.follows = scrollHeight - scrollTop - clientHeight < 60;
    byId('toLatest').hidden = this.follows;
  }

  toLatest() {
    this.follows = true;
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  clear() {
    this.list.replaceChildren();
    for (const nodes of this.nodes.values()) clearInterval(nodes.countdown);
    this.nodes.clear();
    this.noticeScroll();
  }

  add(turn) {
    const text = element('div', { class: 'text' });
    const waiting = element('p', { class: 'waiting' });
    const below = element('div', { class: 'below' });
    const trouble = element('div', { class: 'trouble', role: 'alert', hidden: true });
    const node = element(
      'li',
      { class: 'turn', 'data-turn': turn.id },
      element(
        'div',
        { class: 'question', role: 'group', 'aria-label': 'You asked' },
        this.pictures(turn),
        turn.text ? element('div', { class: 'text' }, turn.text) : null,
      ),
      element(
        'div',
        { class: 'answer', role: 'group', 'aria-label': 'Answer' },
        waiting,
        text,
        trouble,
        below,
      ),
    );
    this.nodes.set(turn.id, { node, text, waiting, below, trouble });
    this.list.append(node);
    this.toLatest();
  }

  remove(turn) {
    const nodes = this.nodes.get(turn.id);
    clearInterval(nodes.countdown);
    nodes.node.remove();
    this.nodes.delete(turn.id);
  }

  pictures(turn) {
    if (turn.pictures.length === 0) return null;
    const buttons = turn.pictures.map(({ name, thumbnailUrl }) =>
      element(
        'button',
        {
          type: 'button',
          'aria-label': `What the model sees of ${name}`,
          onclick: () => this.actions.select(turn),
        },
        element('img', { src: thumbnailUrl, alt: name }),
      ),
    );
    return element('div', { class: 'shown' }, buttons);
  }

  select(turn) {
    for (const [id, { node }] of this.nodes) node.dataset.selected = id === turn?.id;
  }

  // After any change of the turn's answer. `isLast`: of the conversation.
  update(turn, isLast, numTiles) {
    const nodes = this.nodes.get(turn.id);
    const { answer } = turn;
    if (!answer.text.startsWith(nodes.text.textContent)) nodes.text.textContent = '';
    const shown = nodes.text.textContent.length;
    if (answer.text.length > shown) nodes.text.append(answer.text.slice(shown));
    nodes.text.dataset.state = answer.state;
    nodes.waiting.hidden = answer.state !== 'waiting';
    if (answer.state === 'waiting') this.showWaiting(nodes.waiting, numTiles);
    this.showTrouble(turn, nodes, isLast);
    nodes.below.replaceChildren(...(isRunning(turn) ? [] : this.belowOf(turn, isLast)));
    if (this.follows) this.toLatest();
  }

  showWaiting(node, numTiles) {
    if (node.childElementCount > 0) return;
    const what = numTiles > 0 ? `Looking at ${plural(numTiles, 'tile')}…` : 'Thinking…';
    node.replaceChildren(element('i'), element('i'), element('span', {}, what));
  }

  belowOf(turn, isLast) {
    const { answer } = turn;
    const buttons = [];
    if (answer.text)
      buttons.push(
        this.button('copy', 'Copy', (event) => this.actions.copy(turn, event.currentTarget)),
      );
    if (isLast) {
      if (!answer.error)
        buttons.push(this.button('again', 'Regenerate', () => this.actions.regenerate(turn)));
      buttons.push(this.button('pencil', 'Edit question', () => this.actions.edit(turn)));
    }
    if (answer.state === 'stopped')
      buttons.push(
        element(
          'span',
          { class: 'said' },
          isTold(turn) ? 'Stopped' : 'Stopped before the first word',
        ),
      );
    if (answer.finishReason === 'length')
      buttons.push(element('span', { class: 'said' }, 'Ended at its token limit'));
    if (answer.timings) {
      buttons.push(
        element(
          'button',
          {
            type: 'button',
            class: 'summary',
            title: 'Tiles, stages and tokens',
            onclick: () => this.actions.select(turn),
          },
          icon('bars'),
          summary(answer),
        ),
      );
    }
    return buttons;
  }

  button(drawing, label, onclick) {
    return element(
      'button',
      { type: 'button', 'aria-label': label, title: label, onclick },
      icon(drawing),
    );
  }

  showTrouble(turn, nodes, isLast) {
    const { error } = turn.answer;
    nodes.trouble.hidden = !error;
    if (!error || nodes.shownError === error) {
      if (error) nodes.trouble.querySelector('div').hidden = !isLast;
      return;
    }
    nodes.shownError = error;
    const { title, hint, detail, delayMs } = wordsFor(error);
    const facts = [
      error.code && `code ${error.code}`,
      error.status >= 400 && `HTTP ${error.status}`,
      error.requestId && `request ${error.requestId}`,
    ];
    const again = element(
      'button',
      { type: 'button', onclick: () => this.actions.regenerate(turn) },
      'Try again',
    );
    const wantsKey = error.status === 401 || error.status === 403;
    const settings = element(
      'button',
      { type: 'button', onclick: () => this.actions.openSettings(turn, error) },
      'Open settings',
    );
    nodes.trouble.replaceChildren(
      element('p', {}, element('strong', {}, title), [hint, detail].filter(Boolean).join(' ')),
      element('p', { class: 'said' }, facts.filter(Boolean).join(' · ')),
      element('div', {}, again, wantsKey || error.code === 'model_not_found' ? settings : null),
    );
    if (delayMs > 0) this.countDown(nodes, again, delayMs);
  }

  // The button waits as long as the server asked for.
  countDown(nodes, button, delayMs) {
    const end = performance.now() + delayMs;
    clearInterval(nodes.countdown);
    const show = () => {
      const left = Math.ceil((end - performance.now()) / 1000);
      button.disabled = left > 0;
      button.textContent = left > 0 ? `Try again in ${left} s` : 'Try again';
      if (left <= 0) clearInterval(nodes.countdown);
    };
    show();
    nodes.countdown = setInterval(show, 250);
  }
}

function summary(answer) {
  const { timings } = answer;
  const rate = tokensPerSecond(answer);
  const parts = [
    milliseconds(timings.total),
    `first token ${milliseconds(timings.time_to_first_token)}`,
  ];
  if (rate) parts.push(`${rate.toFixed(rate < 100 ? 1 : 0)} tokens/s`);
  return parts.join(' · ');
}
