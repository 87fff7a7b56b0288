import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { beforeEach, describe, expect, it } from 'vitest';
import { returnPath } from '../auth/login';
import { mistakesIn } from '../testing/axe';
import { ada, renderPage, stubApi } from '../testing/render';
import { SetupPage } from './setup';
import { SignInPage } from './signin';

describe('signing in', () => {
  it('sends name and password, and goes back to where one was', async () => {
    const sent = stubApi({
      'GET /auth/setup': { json: { required: false } },
      'POST /auth/login': { json: ada },
    });
    const { router, container } = renderPage(<SignInPage />, {
      path: '/signin?next=%2Fsessions%2Fses_1',
      login: null,
    });
    await userEvent.type(screen.getByLabelText(/User name/), 'ada');
    await userEvent.type(screen.getByLabelText(/^Password/), 'correct horse');
    expect(await mistakesIn(container)).toEqual([]);
    await userEvent.click(screen.getByRole('button', { name: 'Sign in' }));
    await waitFor(() => expect(router.state.location.pathname).toBe('/sessions/ses_1'));
    expect(sent).toContainEqual({
      call: 'POST /auth/login',
      body: { username: 'ada', password: 'correct horse' },
    });
  });

  it('says what went wrong, with the request to ask about, and empties the password only', async () => {
    stubApi({
      'GET /auth/setup': { json: { required: false } },
      'POST /auth/login': {
        status: 401,
        json: { title: 'Unauthorized', detail: 'wrong user name or password', requestId: 'req_42' },
      },
    });
    renderPage(<SignInPage />, { path: '/signin', login: null });
    await userEvent.type(screen.getByLabelText(/User name/), 'ada');
    await userEvent.type(screen.getByLabelText(/^Password/), 'wrong');
    await userEvent.click(screen.getByRole('button', { name: 'Sign in' }));
    expect(await screen.findByRole('alert')).toHaveTextContent('Wrong user name or password.');
    expect(screen.getByRole('alert')).toHaveTextContent('Request req_42');
    expect(screen.getByLabelText(/User name/)).toHaveValue('ada');
    expect(screen.getByLabelText(/^Password/)).toHaveValue('');
  });

  it('tells where to begin on a new installation', async () => {
    stubApi({ 'GET /auth/setup': { json: { required: true } } });
    renderPage(<SignInPage />, { path: '/signin', login: null });
    expect(await screen.findByText(/one-time setup link/)).toBeInTheDocument();
  });

  it.each([
    ['/sessions/ses_1', '/sessions/ses_1'],
    ['//evil.example', '/catalog'],
    ['/\\evil.example', '/catalog'],
    ['https://evil.example', '/catalog'],
    ['/signin?next=/x', '/catalog'],
    [null, '/catalog'],
  ])('returns from %j to %j', (next, path) => {
    expect(returnPath(next)).toBe(path);
  });
});

describe('setting up', () => {
  beforeEach(() => window.history.replaceState(null, '', '/setup#token=one-time'));

  async function choose(first: string, second: string) {
    await userEvent.type(screen.getByLabelText(/New password/), first);
    await userEvent.type(screen.getByLabelText(/The same again/), second);
    await userEvent.click(screen.getByRole('button', { name: /Set the password/ }));
  }

  it('sends the token and the password, and takes the token out of the address', async () => {
    const sent = stubApi({ 'POST /auth/setup': { json: ada } });
    const { router, container } = renderPage(<SetupPage />, { path: '/setup', login: null });
    expect(window.location.hash).toBe('');
    expect(await mistakesIn(container)).toEqual([]);
    await choose('a long password', 'a long password');
    await waitFor(() => expect(router.state.location.pathname).toBe('/catalog'));
    expect(sent).toEqual([
      { call: 'POST /auth/setup', body: { token: 'one-time', password: 'a long password' } },
    ]);
  });

  it.each([
    ['short', 'short', 'Use at least 10 characters.'],
    ['a long password', 'another password', 'The two passwords differ.'],
  ])('does not send %j and %j', async (first, second, words) => {
    const sent = stubApi({});
    renderPage(<SetupPage />, { path: '/setup', login: null });
    await choose(first, second);
    expect(screen.getByRole('alert')).toHaveTextContent(words);
    expect(sent).toEqual([]);
  });

  it('explains a link that was used', async () => {
    stubApi({
      'POST /auth/setup': { status: 401, json: { title: 'Unauthorized', code: 'unauthenticated' } },
    });
    renderPage(<SetupPage />, { path: '/setup', login: null });
    await choose('a long password', 'a long password');
    expect(await screen.findByText(/used before or is too old/)).toBeInTheDocument();
  });

  it('wants the whole link', () => {
    window.history.replaceState(null, '', '/setup');
    stubApi({});
    renderPage(<SetupPage />, { path: '/setup', login: null });
    expect(screen.getByRole('heading')).toHaveTextContent('not complete');
  });
});
