import { CssBaseline } from '@mui/material';
import { ThemeProvider } from '@mui/material/styles';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { lazy, Suspense, useState } from 'react';
import { createBrowserRouter, Navigate, Outlet, RouterProvider } from 'react-router';
import { keys } from './api/keys';
import { Problem, transport } from './api/transport';
import { RequireLogin } from './auth/require-login';
import { NotifyProvider } from './notify/provider';
import { Toasts } from './notify/toasts';
import { CatalogPage } from './pages/catalog';
import { NotFoundPage } from './pages/not-found';
import { SessionsPage } from './pages/sessions';
import { loadViewer } from './pages/viewer/load';
import { JoinPage } from './pages/join/join-page';
import { SetupPage } from './pages/setup';
import { SignInPage } from './pages/signin';
import { Shell } from './shell/shell';
import { theme } from './theme/theme';
import { ConfirmProvider } from './ui/confirm';
import { CrashPage, ErrorBoundary } from './ui/error-boundary';
import { LoadingPage } from './ui/loading';

// Loaded when they are first opened: the viewer brings noVNC, the others are rarely visited.
const ViewerPage = lazy(loadViewer);
const EmbedPage = lazy(() => import('./pages/join/embed-page'));
const ProfilePage = lazy(() => import('./pages/profile/profile-page'));
const AdminPage = lazy(() => import('./pages/admin/admin-page'));
const UsersTab = lazy(() => import('./pages/admin/users'));
const AllSessionsTab = lazy(() => import('./pages/admin/all-sessions'));
const AuditTab = lazy(() => import('./pages/admin/audit'));

const router = createBrowserRouter([
  {
    element: <Frame />,
    errorElement: <CrashPage message="The page could not be shown." />,
    children: [
      { path: 'signin', element: <SignInPage /> },
      { path: 'setup', element: <SetupPage /> },
      { path: 'join', element: <JoinPage /> },
      { path: 'embed/:id', element: <EmbedPage /> },
      {
        element: <RequireLogin />,
        children: [
          { path: 'sessions/:id', element: <ViewerPage /> },
          {
            element: <Shell />,
            children: [
              { index: true, element: <Navigate to="/catalog" replace /> },
              { path: 'catalog', element: <CatalogPage /> },
              { path: 'sessions', element: <SessionsPage /> },
              { path: 'profile', element: <ProfilePage /> },
              {
                path: 'admin',
                element: <AdminPage />,
                children: [
                  { index: true, element: <Navigate to="/admin/users" replace /> },
                  { path: 'users', element: <UsersTab /> },
                  { path: 'sessions', element: <AllSessionsTab /> },
                  { path: 'audit', element: <AuditTab /> },
                ],
              },
              { path: '*', element: <NotFoundPage /> },
            ],
          },
        ],
      },
    ],
  },
]);

/** What surrounds every page and needs the router. */
function Frame() {
  return (
    <ConfirmProvider>
      <ErrorBoundary>
        <Suspense fallback={<LoadingPage />}>
          <Outlet />
        </Suspense>
      </ErrorBoundary>
      <Toasts />
    </ConfirmProvider>
  );
}

function newQueryClient(): QueryClient {
  const client = new QueryClient({
    defaultOptions: {
      queries: {
        // What may change is told by the live events; asking again is for what they do not cover.
        staleTime: 30_000,
        // A refusal stays one; only what did not get an answer is worth repeating.
        retry: (failures, error) =>
          failures < 2 && !(error instanceof Problem && error.status >= 400 && error.status < 500),
      },
    },
  });
  transport.onSignedOut(() => client.setQueryData(keys.login, null));
  return client;
}

export function App() {
  const [client] = useState(newQueryClient);
  return (
    <ThemeProvider theme={theme} defaultMode="system">
      <CssBaseline />
      <QueryClientProvider client={client}>
        <NotifyProvider>
          <RouterProvider router={router} />
        </NotifyProvider>
      </QueryClientProvider>
    </ThemeProvider>
  );
}
