// Settings: what is asked of the model beside the question. Kept in this
// browser's localStorage; the API key only in sessionStorage, which ends with
// the tab.

import { byId } from './dom.js';

const place = 'tandem.settings';
const keyPlace = 'tandem.key';
// Ids of the form's fields. Empty: the model's own default.
const fields = [
  'model',
  'systemText',
  'temperature',
  'topP',
  'maxTokens',
  'detail',
  'maxTiles',
  'seed',
];
const numbers = {
  temperature: 'temperature',
  topP: 'top_p',
  maxTokens: 'max_completion_tokens',
  seed: 'seed',
};

// A browser may refuse storage; then nothing outlives the page.
function stored(storage, name) {
  try {
    return window[storage].getItem(name);
  } catch {
    return null;
  }
}

function store(storage, name, value) {
  try {
    if (value) window[storage].setItem(name, value);
    else window[storage].removeItem(name);
  } catch {
    // Then it is not kept.
  }
}

export class Settings {
  // `onChange(id)` after every change of a person's; the id of its field, if
  // it was one.
  constructor(onChange) {
    this.form = byId('settings');
    this.wantedModel = '';
    this.restore();
    this.form.addEventListener('submit', (event) => event.preventDefault());
    this.form.addEventListener('input', ({ target }) => {
      this.keep();
      onChange(target.id);
    });
    byId('resetSettings').addEventListener('click', () => {
      const { value: key } = byId('apiKey');
      const { value: model } = byId('model');
      this.form.reset();
      byId('apiKey').value = key;
      byId('model').value = model;
      this.keep();
      onChange();
    });
  }

  restore() {
    byId('apiKey').value = stored('sessionStorage', keyPlace) ?? '';
    let kept = {};
    try {
      kept = JSON.parse(stored('localStorage', place)) ?? {};
    } catch {
      // What cannot be read is not used.
    }
    for (const name of fields) {
      if (typeof kept[name] === 'string') byId(name).value = kept[name];
    }
    this.wantedModel = kept.model ?? '';
  }

  keep() {
    this.wantedModel = byId('model').value;
    const values = Object.fromEntries(fields.map((name) => [name, byId(name).value]));
    store('localStorage', place, JSON.stringify(values));
    store('sessionStorage', keyPlace, byId('apiKey').value);
  }

  // Fills the list of models and keeps the choice where it is still there.
  offer(models) {
    const options = models.map(({ id }) => new Option(id, id));
    byId('model').replaceChildren(...options);
    if (models.some(({ id }) => id === this.wantedModel)) byId('model').value = this.wantedModel;
  }

  get model() {
    return byId('model').value;
  }
  get key() {
    return byId('apiKey').value.trim();
  }
  get detail() {
    return byId('detail').value;
  }
  // 0: the model's default.
  get maxTiles() {
    return byId('maxTiles').valueAsNumber || 0;
  }
  get systemText() {
    return byId('systemText').value.trim();
  }

  // The first field that is out of its range, else null.
  invalidField() {
    return this.form.querySelector(':invalid');
  }

  // The request's fields beside the messages.
  sampling() {
    const body = { model: this.model };
    for (const [id, name] of Object.entries(numbers)) {
      const value = byId(id).valueAsNumber;
      if (!Number.isNaN(value)) body[name] = value;
    }
    return body;
  }

  // For an export, without the key.
  plain() {
    return {
      ...this.sampling(),
      system: this.systemText,
      detail: this.detail,
      max_tiles: this.maxTiles || undefined,
    };
  }
}

// Appearance: "system", "light" or "dark"; kept in localStorage.
export function followAppearance(buttons) {
  const show = (choice) => {
    if (choice === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = choice;
    for (const button of buttons) button.checked = button.value === choice;
  };
  const kept = stored('localStorage', 'tandem.appearance');
  show(['light', 'dark'].includes(kept) ? kept : 'system');
  for (const button of buttons) {
    button.addEventListener('change', () => {
      store('localStorage', 'tandem.appearance', button.value === 'system' ? '' : button.value);
      show(button.value);
    });
  }
}
