import { describe, expect, it } from 'vitest';
import type { Template } from '../api/types';
import { ALL, categoriesOf, filterTemplates } from './catalog-filter';

const template = (name: string, change: Partial<Template> = {}): Template => ({
  name,
  displayName: name,
  description: '',
  category: 'System',
  icon: name,
  tags: [],
  installed: true,
  missing: [],
  idleTimeoutSeconds: 0,
  network: 'none',
  resources: { memoryBytes: 0, cpus: 0, processes: 0 },
  ...change,
});

const catalog = [
  template('Terminal', { tags: ['shell', 'xterm'] }),
  template('Gimp', { category: 'Graphics', description: 'Edit images', installed: false }),
  template('Inkscape', { category: 'Graphics', description: 'Draw vector images' }),
  template('Files', { description: 'Look at files, or open a terminal in a folder' }),
];
const names = (category: string, search: string) =>
  filterTemplates(catalog, category, search).map((one) => one.name);

describe('the catalog', () => {
  it('shows what can be started before what cannot', () => {
    expect(names(ALL, '')).toEqual(['Files', 'Inkscape', 'Terminal', 'Gimp']);
  });

  it('has its categories in order', () => {
    expect(categoriesOf(catalog)).toEqual(['Graphics', 'System']);
    expect(names('Graphics', '')).toEqual(['Inkscape', 'Gimp']);
  });

  it('finds by every word, in names, texts and tags', () => {
    expect(names(ALL, 'SHELL')).toEqual(['Terminal']);
    expect(names(ALL, '  images   vector ')).toEqual(['Inkscape']);
    expect(names(ALL, 'images shell')).toEqual([]);
    expect(names('System', 'images')).toEqual([]);
  });

  it('puts a match in the name before one in the text', () => {
    expect(names(ALL, 'terminal')).toEqual(['Terminal', 'Files']);
  });
});
