import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ICONS } from './app-icon';

it('has every icon that the catalog names', () => {
  const folder = join(import.meta.dirname, '../../../images/catalog');
  const named = readdirSync(folder)
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => /^icon:\s*(\S+)/m.exec(readFileSync(join(folder, file), 'utf8'))?.[1]);
  expect(named.length).toBeGreaterThan(5);
  expect(Object.keys(ICONS)).toEqual(expect.arrayContaining(named));
});
