// Where the question is written and pictures are attached, dropped and pasted.

import { byId, element, icon, plural } from './dom.js';
import { countTiles } from './tile_grid.js';
import { forget, readPicture } from './pictures.js';

export class Composer {
  // `host`: {send(text, pictures), refusal(pictures), gridsOf(pictures),
  // tokensPerTile(), isUpright(), look()}.
  constructor(host) {
    this.host = host;
    this.pictures = [];
    this.isBusy = false;
    this.question = byId('question');
    byId('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      this.submit();
    });
    this.question.addEventListener('keydown', (event) => this.onKey(event));
    this.question.addEventListener('input', () => this.update());
    byId('attach').addEventListener('click', () => byId('files').click());
    byId('files').addEventListener('change', () => {
      this.add([...byId('files').files]);
      byId('files').value = '';
    });
    document.addEventListener('paste', (event) => this.onPaste(event));
    this.acceptDrops();
  }

  onKey(event) {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.submit();
  }

  onPaste(event) {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    this.add(files);
  }

  acceptDrops() {
    const hint = byId('dropHint');
    const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes('Files');
    document.addEventListener('dragover', (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = 'copy';
      hint.hidden = false;
    });
    document.addEventListener('dragleave', (event) => {
      if (!event.relatedTarget) hint.hidden = true;
    });
    document.addEventListener('drop', (event) => {
      hint.hidden = true;
      if (!hasFiles(event)) return;
      event.preventDefault();
      this.add([...event.dataTransfer.files]);
    });
  }

  // Reads files one by one; says what is wrong with those that are not taken.
  async add(files) {
    this.say('');
    const wrong = [];
    for (const file of files) {
      try {
        const picture = await readPicture(file, this.host.isUpright());
        const refusal = this.host.refusal([...this.pictures, picture]);
        if (refusal) {
          forget(picture);
          wrong.push(refusal);
          break;
        }
        this.pictures.push(picture);
      } catch (error) {
        wrong.push(error.message);
      }
    }
    this.say(wrong.join(' '));
    this.update();
    if (this.pictures.length > 0) this.host.look();
    this.question.focus();
  }

  remove(picture) {
    this.pictures = this.pictures.filter((other) => other !== picture);
    forget(picture);
    this.say('');
    this.update();
    this.host.look();
    this.question.focus();
  }

  submit() {
    const text = this.question.value.trim();
    if (this.isBusy || (text === '' && this.pictures.length === 0)) return;
    const refusal = this.host.refusal(this.pictures);
    if (refusal) return this.say(refusal);
    this.say('');
    const { pictures } = this;
    if (!this.host.send(text, pictures)) return;
    this.pictures = [];
    this.question.value = '';
    this.update();
  }

  // Puts a question back. Pictures that were attached instead are let go.
  fill(text, pictures) {
    for (const picture of this.pictures) if (!pictures.includes(picture)) forget(picture);
    this.pictures = pictures;
    this.question.value = text;
    this.say('');
    this.update();
    this.question.focus();
  }

  say(text) {
    byId('composerNote').textContent = text;
    byId('composerNote').hidden = text === '';
  }

  setBusy(isBusy) {
    const hadFocus = document.activeElement === byId('stop');
    this.isBusy = isBusy;
    byId('send').hidden = isBusy;
    byId('stop').hidden = !isBusy;
    this.update();
    if (hadFocus) this.question.focus();
  }

  update() {
    this.question.style.height = 'auto';
    this.question.style.height = `${this.question.scrollHeight}px`;
    byId('send').disabled = this.question.value.trim() === '' && this.pictures.length === 0;
    const grids = this.host.gridsOf(this.pictures);
    byId('attached').hidden = this.pictures.length === 0;
    byId('attached').replaceChildren(
      ...this.pictures.map((picture, index) => this.thumbnail(picture, grids[index])),
    );
    const tiles = grids.reduce((sum, grid) => sum + countTiles(grid), 0);
    const tokens = tiles * this.host.tokensPerTile();
    byId('draftFacts').textContent =
      tiles === 0 ? '' : `${plural(tiles, 'tile')}${tokens ? `, ${plural(tokens, 'token')}` : ''}`;
  }

  thumbnail(picture, grid) {
    const { name, thumbnailUrl } = picture;
    return element(
      'li',
      {},
      element(
        'button',
        {
          type: 'button',
          class: 'look',
          'aria-label': `What the model sees of ${name}`,
          onclick: () => this.host.look(true),
        },
        element('img', { src: thumbnailUrl, alt: name, title: name }),
      ),
      element('span', { class: 'tiles' }, plural(countTiles(grid), 'tile')),
      element(
        'button',
        {
          type: 'button',
          class: 'round remove',
          'aria-label': `Remove ${name}`,
          title: 'Remove',
          onclick: () => this.remove(picture),
        },
        icon('cross'),
      ),
    );
  }
}
