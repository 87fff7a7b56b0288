import { Container } from '@mui/material';
import { useQuery } from '@tanstack/react-query';
import { Navigate, Outlet, useLocation } from 'react-router';
import { LoadingPage } from '../ui/loading';
import { ProblemAlert } from '../ui/problem';
import { LiveProvider } from '../events/provider';
import { loginQuery } from './login';

/** Lets signed-in people through, and sends others to sign in and back. */
export function RequireLogin() {
  const { data, error, isPending, refetch } = useQuery(loginQuery);
  const { pathname, search } = useLocation();
  if (isPending) {
    return <LoadingPage />;
  }
  if (error && !data) {
    return (
      <Container maxWidth="sm" sx={{ pt: '20vh' }}>
        <ProblemAlert error={error} retry={() => void refetch()} />
      </Container>
    );
  }
  if (!data) {
    const next = pathname === '/' ? '' : `?next=${encodeURIComponent(pathname + search)}`;
    return <Navigate to={`/signin${next}`} replace />;
  }
  return (
    <LiveProvider user={data.user}>
      <Outlet />
    </LiveProvider>
  );
}
