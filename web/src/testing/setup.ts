import '@testing-library/jest-dom/vitest';
import { cleanup, configure } from '@testing-library/react';
import { afterEach } from 'vitest';

afterEach(cleanup);

// Without the whole document in every message.
configure({ getElementError: (message) => new Error(message ?? 'no such element') });

// jsdom has no layout, and so no media queries; MUI listens to them in the old way.
window.matchMedia ??= (query) =>
  Object.assign(new EventTarget(), {
    matches: false,
    media: query,
    onchange: null,
    addListener: () => undefined,
    removeListener: () => undefined,
  });
