import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Problem } from './problem';
import { Transport } from './transport';

let transport: Transport;
const signedOut = vi.fn();
const send = vi.fn<typeof fetch>();

beforeEach(() => {
  transport = new Transport();
  transport.setCsrfToken('token');
  transport.onSignedOut(signedOut.mockReset());
  vi.stubGlobal('fetch', send.mockReset());
});

const request = (path: string, init?: RequestInit) => new Request(new URL(path, 'http://here'), init);
const problem = (status: number, body: unknown, headers?: HeadersInit) =>
  send.mockResolvedValue(
    new Response(typeof body === 'string' ? body : JSON.stringify(body), {
      status,
      ...(headers && { headers }),
    }),
  );

describe('the CSRF token', () => {
  it.each(['POST', 'PATCH', 'DELETE'])('goes with %s', async (method) => {
    send.mockResolvedValue(new Response(null, { status: 204 }));
    const sent = request('/api/v1/me', { method });
    await transport.fetch(sent);
    expect(sent.headers.get('X-CSRF-Token')).toBe('token');
  });

  it('does not go with GET', async () => {
    send.mockResolvedValue(new Response('{}'));
    const sent = request('/api/v1/me');
    await transport.fetch(sent);
    expect(sent.headers.has('X-CSRF-Token')).toBe(false);
  });
});

describe('a refusal', () => {
  it('becomes a problem with everything the server said', async () => {
    problem(422, {
      title: 'Unprocessable',
      detail: 'two fields',
      code: 'invalid',
      requestId: 'req_1',
      errors: [{ location: 'body.name', message: 'too long' }],
    });
    const error = await transport
      .fetch(request('/api/v1/users', { method: 'POST' }))
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Problem);
    expect(error).toMatchObject({
      status: 422,
      code: 'invalid',
      requestId: 'req_1',
      message: 'two fields',
      fields: [{ location: 'body.name', message: 'too long' }],
    });
  });

  it('says when to come back', async () => {
    problem(429, { title: 'Too Many Requests', detail: 'wait' }, { 'Retry-After': '30' });
    await expect(transport.fetch(request('/api/v1/auth/login', { method: 'POST' }))).rejects.toMatchObject({
      retryAfter: 30,
    });
  });

  it('may come from a proxy that speaks no JSON', async () => {
    problem(502, '<html>Bad Gateway</html>');
    await expect(transport.fetch(request('/api/v1/me'))).rejects.toMatchObject({
      status: 502,
      code: undefined,
    });
  });

  it('may be the network', async () => {
    send.mockRejectedValue(new TypeError('network'));
    await expect(transport.fetch(request('/api/v1/me'))).rejects.toMatchObject({ status: 0 });
  });

  it('of the sign-in is told, but not when it answers a sign-in', async () => {
    problem(401, { title: 'Unauthorized', code: 'unauthenticated' });
    await expect(transport.fetch(request('/api/v1/auth/login', { method: 'POST' }))).rejects.toBeInstanceOf(
      Problem,
    );
    expect(signedOut).not.toHaveBeenCalled();
    problem(401, { title: 'Unauthorized', code: 'unauthenticated' });
    await expect(transport.fetch(request('/api/v1/sessions'))).rejects.toBeInstanceOf(Problem);
    expect(signedOut).toHaveBeenCalledOnce();
  });
});
