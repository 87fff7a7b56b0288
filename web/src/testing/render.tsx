import { ThemeProvider } from '@mui/material/styles';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { render } from '@testing-library/react';
import type { ReactNode } from 'react';
import { createMemoryRouter, RouterProvider } from 'react-router';
import { vi } from 'vitest';
import { keys } from '../api/keys';
import type { Login } from '../api/types';
import { NotifyProvider } from '../notify/provider';
import { Toasts } from '../notify/toasts';
import { theme } from '../theme/theme';
import { ConfirmProvider } from '../ui/confirm';

export const ada: Login = {
  user: {
    id: 'usr_ada',
    username: 'ada',
    displayName: 'Ada',
    role: 'admin',
    disabled: false,
    createdAt: '2026-11-23T10:00:00Z',
  },
  csrfToken: 'csrf',
  expiresAt: '2027-11-23T10:00:00Z',
};

/** A page with everything around it. `login` null is nobody. */
export function renderPage(page: ReactNode, { path = '/', login = ada as Login | null } = {}) {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false, staleTime: Infinity } } });
  client.setQueryData(keys.login, login);
  const frame = (
    <ConfirmProvider>
      {page}
      <Toasts />
    </ConfirmProvider>
  );
  const routes = [
    { path: path.split(/[?#]/)[0] ?? '/', element: frame },
    { path: '*', element: <Toasts /> },
  ];
  const router = createMemoryRouter(routes, { initialEntries: [path] });
  const view = render(
    <ThemeProvider theme={theme}>
      <QueryClientProvider client={client}>
        <NotifyProvider>
          <RouterProvider router={router} />
        </NotifyProvider>
      </QueryClientProvider>
    </ThemeProvider>,
  );
  return { ...view, client, router };
}

type Answer = { status?: number; json?: unknown } | ((body: unknown) => { status?: number; json?: unknown });

/** Answers the API's requests, "METHOD /path", and writes down the bodies that came. */
export function stubApi(answers: Record<string, Answer>) {
  const sent: { call: string; body: unknown }[] = [];
  vi.stubGlobal('fetch', async (request: Request) => {
    const { pathname, searchParams } = new URL(request.url);
    const call = `${request.method} ${pathname.replace('/api/v1', '')}`;
    if (searchParams.get('scope') === 'shared') return Response.json({ items: [] });
    const text = await request.text();
    const body: unknown = text === '' ? undefined : JSON.parse(text);
    sent.push({ call, body });
    const answer = answers[call];
    if (!answer)
      return new Response(JSON.stringify({ title: 'Not Found', detail: `no answer to ${call}` }), {
        status: 404,
      });
    const { status = 200, json } = typeof answer === 'function' ? answer(body) : answer;
    return new Response(json === undefined ? null : JSON.stringify(json), { status });
  });
  return sent;
}
