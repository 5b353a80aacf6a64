// The panel: two pages under tabs; beside the conversation where there is room,
// else over it.

import { byId } from './dom.js';

const tabs = () => [byId('inspectTab'), byId('settingsTab')];
const isNarrow = () => window.matchMedia('(max-width: 1040px)').matches;

export class Panel {
  constructor() {
    this.panel = byId('panel');
    for (const tab of tabs()) {
      tab.addEventListener('click', () => this.show(tab.id));
      tab.addEventListener('keydown', (event) => this.move(event));
    }
    byId('togglePanel').addEventListener('click', () => this.open('settingsTab'));
    byId('closePanel').addEventListener('click', () => this.close());
    byId('shade').addEventListener('click', () => this.close());
  }

  get isOpen() {
    return this.panel.dataset.open === 'true';
  }

  show(id) {
    for (const tab of tabs()) {
      const isChosen = tab.id === id;
      tab.setAttribute('aria-selected', isChosen);
      tab.tabIndex = isChosen ? 0 : -1;
      byId(tab.getAttribute('aria-controls')).hidden = !isChosen;
    }
  }

  move(event) {
    if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
    const other = tabs().find((tab) => tab !== event.currentTarget);
    this.show(other.id);
    other.focus();
  }

  // Shows a page and, where the panel is hidden, the panel.
  open(id) {
    this.show(id);
    if (!isNarrow()) {
      if (id === 'settingsTab') byId(id).focus();
      return;
    }
    this.opener = document.activeElement;
    this.panel.dataset.open = 'true';
    byId('shade').hidden = false;
    document.querySelector('.chat').inert = true;
    byId('togglePanel').setAttribute('aria-expanded', 'true');
    byId(id).focus();
  }

  close() {
    if (!this.isOpen) return;
    this.panel.dataset.open = 'false';
    byId('shade').hidden = true;
    document.querySelector('.chat').inert = false;
    byId('togglePanel').setAttribute('aria-expanded', 'false');
    this.opener?.focus();
  }
}
