import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it, vi } from 'vitest';
import { mistakesIn } from '../testing/axe';
import { renderPage, stubApi } from '../testing/render';
import { aSession } from '../testing/session';
import UsersTab from './admin/users';
import { CatalogPage } from './catalog';
import { ApiKeysSection } from './profile/api-keys';
import { SessionsPage } from './sessions';

// Brings noVNC, which wants a canvas.
vi.mock('./viewer/load', () => ({ loadViewer: () => Promise.resolve() }));

const template = (name: string, change = {}) => ({
  name: name.toLowerCase(),
  displayName: name,
  description: `About ${name}`,
  category: 'System',
  icon: 'terminal',
  tags: [],
  installed: true,
  missing: [],
  idleTimeoutSeconds: 0,
  network: 'none',
  resources: { memoryBytes: 0, cpus: 0, processes: 0 },
  ...change,
});

describe('the catalog', () => {
  const answers = {
    'GET /templates': {
      json: {
        items: [
          template('Terminal'),
          template('Gimp', {
            category: 'Graphics',
            installed: false,
            missing: ['gimp'],
            installCommand: 'sudo apt-get install gimp',
          }),
        ],
      },
    },
    'GET /sessions': { json: { items: [] } },
  };

  it('starts a desktop once and opens it', async () => {
    const sent = stubApi({
      ...answers,
      'POST /sessions': { status: 201, json: aSession({ id: 'ses_9', state: 'pending' }) },
    });
    const { router, container } = renderPage(<CatalogPage />);
    await userEvent.click(await screen.findByRole('button', { name: 'Start Terminal' }));
    await waitFor(() => expect(router.state.location.pathname).toBe('/sessions/ses_9'));
    expect(sent.filter(({ call }) => call === 'POST /sessions')).toEqual([
      { call: 'POST /sessions', body: { template: 'terminal' } },
    ]);
    expect(await mistakesIn(container)).toEqual([]);
  });

  it('says how to install what is not there', async () => {
    stubApi(answers);
    renderPage(<CatalogPage />);
    const card = await screen.findByRole('article', { name: 'Gimp' });
    expect(within(card).getByText('sudo apt-get install gimp')).toBeInTheDocument();
    expect(within(card).getByRole('button', { name: 'Copy the command' })).toBeInTheDocument();
    expect(within(card).queryByRole('button', { name: /Start/ })).toBeNull();
  });

  it('can be searched and cut down to a category', async () => {
    stubApi(answers);
    renderPage(<CatalogPage />);
    await userEvent.type(await screen.findByLabelText('Search the catalog'), 'nothing like it');
    expect(screen.getByText('Nothing matches')).toBeInTheDocument();
    await userEvent.click(screen.getByRole('button', { name: 'Show everything' }));
    await userEvent.click(screen.getByRole('button', { name: 'Graphics' }));
    expect(screen.getAllByRole('article').map((card) => card.getAttribute('aria-label'))).toEqual(['Gimp']);
  });

  it('says why when a start is refused', async () => {
    stubApi({
      ...answers,
      'POST /sessions': {
        status: 422,
        json: { title: 'Unprocessable', detail: 'xterm is not installed', code: 'not_installed' },
      },
    });
    renderPage(<CatalogPage />);
    await userEvent.click(await screen.findByRole('button', { name: 'Start Terminal' }));
    expect(await screen.findByText('Xterm is not installed.')).toBeInTheDocument();
  });
});

describe('my sessions', () => {
  it('asks before it stops one', async () => {
    const sent = stubApi({
      'GET /sessions': { json: { items: [aSession()] } },
      'DELETE /sessions/ses_1': {
        status: 202,
        json: aSession({ state: 'stopping', desiredState: 'stopped' }),
      },
    });
    const { container } = renderPage(<SessionsPage />);
    await userEvent.click(await screen.findByRole('button', { name: 'More for Terminal' }));
    await userEvent.click(screen.getByRole('menuitem', { name: 'Stop' }));
    const dialog = await screen.findByRole('dialog', { name: 'Stop Terminal?' });
    expect(dialog).toHaveTextContent('home folder with your files stays');
    await userEvent.click(within(dialog).getByRole('button', { name: 'Stop' }));
    expect(await screen.findByText('Stopping')).toBeInTheDocument();
    expect(sent.map(({ call }) => call)).toContain('DELETE /sessions/ses_1');
    expect(await mistakesIn(container)).toEqual([]);
  });

  it('renames, sleeps and wakes', async () => {
    const sent = stubApi({
      'GET /sessions': { json: { items: [aSession()] } },
      'PATCH /sessions/ses_1': (body) => ({ json: aSession(body as object) }),
    });
    renderPage(<SessionsPage />);
    await userEvent.click(await screen.findByRole('button', { name: 'More for Terminal' }));
    await userEvent.click(screen.getByRole('menuitem', { name: 'Rename' }));
    await userEvent.clear(screen.getByLabelText(/Name/));
    await userEvent.type(screen.getByLabelText(/Name/), 'Work{Enter}');
    await userEvent.click(await screen.findByRole('button', { name: 'More for Work' }));
    await userEvent.click(screen.getByRole('menuitem', { name: 'Let it sleep' }));
    await waitFor(() =>
      expect(sent.filter(({ call }) => call.startsWith('PATCH')).map(({ body }) => body)).toEqual([
        { name: 'Work' },
        { desiredState: 'hibernated' },
      ]),
    );
  });

  it('leads to the catalog when there is none', async () => {
    stubApi({ 'GET /sessions': { json: { items: [] } } });
    renderPage(<SessionsPage />);
    expect(await screen.findByRole('link', { name: 'Open the catalog' })).toHaveAttribute('href', '/catalog');
  });

  it('shows the steps of one that comes up', async () => {
    stubApi({
      'GET /sessions': {
        json: { items: [aSession({ state: 'starting', step: 'Starting the window manager' })] },
      },
    });
    renderPage(<SessionsPage />);
    const step = (await screen.findByText('Starting the window manager')).closest('li');
    expect(step).toHaveAttribute('aria-current', 'step');
  });
});

it('shows a new API key once', async () => {
  stubApi({
    'GET /api-keys': { json: { items: [] } },
    'POST /api-keys': {
      status: 201,
      json: { id: 'key_1', name: 'ci', hint: 'ssk_…', createdAt: '2026-11-23T10:00:00Z', key: 'ssk_secret' },
    },
  });
  renderPage(<ApiKeysSection />);
  await userEvent.click(screen.getByRole('button', { name: 'New key' }));
  await userEvent.type(screen.getByLabelText(/Name/), 'ci');
  await userEvent.click(screen.getByRole('button', { name: 'Create' }));
  expect(await screen.findByTestId('secret')).toHaveTextContent('ssk_secret');
  await userEvent.keyboard('{Escape}');
  expect(screen.getByTestId('secret')).toBeInTheDocument();
  await userEvent.click(screen.getByRole('button', { name: 'I have kept it' }));
  await waitFor(() => expect(screen.queryByTestId('secret')).toBeNull());
});

it('shows the link of a new user once', async () => {
  const sent = stubApi({
    'GET /users': { json: { items: [] } },
    'POST /users': {
      status: 201,
      json: {
        user: {
          id: 'usr_g',
          username: 'grace',
          displayName: '',
          role: 'user',
          disabled: false,
          createdAt: '2026-11-23T10:00:00Z',
        },
        setupUrl: 'http://here/setup#token=t',
      },
    },
  });
  renderPage(<UsersTab />);
  await userEvent.click(screen.getByRole('button', { name: 'New user' }));
  await userEvent.type(screen.getByLabelText(/User name/), 'grace');
  await userEvent.click(screen.getByRole('button', { name: /Create/ }));
  expect(await screen.findByTestId('secret')).toHaveTextContent('http://here/setup#token=t');
  expect(sent).toContainEqual({ call: 'POST /users', body: { username: 'grace', role: 'user' } });
});
