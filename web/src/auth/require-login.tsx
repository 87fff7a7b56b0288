import { Box, CircularProgress, Container } from '@mui/material';
import { useQuery } from '@tanstack/react-query';
import { Navigate, Outlet, useLocation } from 'react-router';
import { ProblemAlert } from '../ui/problem';
import { LiveProvider } from '../events/provider';
import { loginQuery } from './login';

/** Lets signed-in people through, and sends others to sign in and back. */
export function RequireLogin() {
  const { data, error, isPending, refetch } = useQuery(loginQuery);
  const { pathname, search } = useLocation();
  if (isPending) {
    return (
      <Box sx={{ minHeight: '100%', display: 'grid', placeItems: 'center' }}>
        <CircularProgress aria-label="Loading" />
      </Box>
    );
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
