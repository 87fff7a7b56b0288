import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CLOSE_CODES, explainClose, explainRefusal, LOST, UNREACHABLE } from './closure';

const repository = join(import.meta.dirname, '../../..');

/** The gateway's table: close status by the streamspace.Code that is its reason. */
function gatewayTable(): Record<string, string> {
  const gateway = readFileSync(join(repository, 'gateway/close.go'), 'utf8');
  const errors = readFileSync(join(repository, 'errors.go'), 'utf8');
  const codes = new Map(
    [...errors.matchAll(/^\s*(Code\w+)\s+Code = "(\w+)"/gm)].map(([, name, code]) => [name, code]),
  );
  const numbers = new Map(
    [...gateway.matchAll(/^\s*(Status\w+)\s+= (\d+)/gm)].map(([, name, number]) => [name, number]),
  );
  const rows = [...gateway.matchAll(/streamspace\.(Code\w+):\s+(Status\w+),/g)];
  return Object.fromEntries(rows.map(([, code, status]) => [numbers.get(status), codes.get(code)]));
}

describe('close codes', () => {
  it('are those of the gateway, no more and no fewer', () => {
    const ours = Object.fromEntries(
      Object.entries(CLOSE_CODES).map(([number, closure]) => [number, closure.name]),
    );
    const theirs = gatewayTable();
    expect(Object.keys(theirs).length).toBeGreaterThan(5);
    expect(ours).toEqual(theirs);
  });

  it('never reconnect by themselves where that would undo what somebody decided', () => {
    for (const code of [4001, 4002, 4003]) expect(explainClose(code, true).automatic).toBe(false);
    for (const code of [1012, 4000, 4008, 4009]) expect(explainClose(code, true).automatic).toBe(true);
  });

  it('tell a lost connection from one that never was', () => {
    expect(explainClose(1006, true)).toBe(LOST);
    expect(explainClose(1006, false)).toBe(UNREACHABLE);
  });

  it('are explained in sentences', () => {
    for (const closure of [...Object.values(CLOSE_CODES), LOST, UNREACHABLE]) {
      expect(closure.title).toMatch(/^[A-Z]/);
      expect(closure.detail).toMatch(/^[A-Z].*\.$/);
    }
  });
});

describe('refusals', () => {
  it.each([
    [0, 'retry', true],
    [401, 'signin', false],
    [403, 'leave', false],
    [404, 'leave', false],
    [409, 'start', false],
    [429, 'retry', true],
    [500, 'retry', true],
    [503, 'retry', true],
    [422, 'retry', false],
  ] as const)('%i leads to %s', (status, next, automatic) => {
    expect(explainRefusal({ status, code: 'x', detail: undefined, requestId: undefined })).toMatchObject({
      next,
      automatic,
    });
  });

  it('keep the request id and what the server said', () => {
    const closure = explainRefusal({
      status: 409,
      code: 'conflict',
      detail: 'the session is stopping',
      requestId: 'req_1',
    });
    expect(closure).toMatchObject({
      name: 'conflict',
      detail: 'the session is stopping',
      requestId: 'req_1',
    });
  });
});
