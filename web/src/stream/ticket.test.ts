import { expect, it } from 'vitest';
import { permissionsOf } from './ticket';

const token = (claims: object) =>
  [
    'e30',
    btoa(JSON.stringify(claims)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', ''),
    'x',
  ].join('.');

it('reads what a ticket allows', () => {
  expect([...permissionsOf(token({ perms: ['view', 'control'], usr: '??>>' }))]).toEqual(['view', 'control']);
});

it.each(['', 'nothing', 'a.b.c', token({ perms: 'control' }), token({})])(
  'allows looking only when it cannot: %j',
  (text) => {
    expect([...permissionsOf(text)]).toEqual(['view']);
  },
);
