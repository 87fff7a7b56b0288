import {
  AppBar,
  BottomNavigation,
  BottomNavigationAction,
  Box,
  Button,
  Container,
  Link as MuiLink,
  Paper,
  Stack,
  Toolbar,
} from '@mui/material';
import { LayoutGrid, Monitor, ShieldCheck } from 'lucide-react';
import { Suspense } from 'react';
import { Link, Outlet, useLocation } from 'react-router';
import { useUser } from '../auth/login';
import { Logo } from '../brand/logo';
import { NotificationBell } from '../notify/bell';
import { ModeButton } from '../theme/mode';
import { ErrorBoundary } from '../ui/error-boundary';
import { LoadingRows } from '../ui/loading';
import { LiveChip } from './live-chip';
import { UserMenu } from './user-menu';

/** The frame around every page but the viewer. */
export function Shell() {
  const user = useUser();
  const { pathname } = useLocation();
  const places = [
    { to: '/catalog', label: 'Catalog', icon: LayoutGrid },
    { to: '/sessions', label: 'My sessions', icon: Monitor },
    ...(user.role === 'admin' ? [{ to: '/admin', label: 'Admin', icon: ShieldCheck }] : []),
  ];
  const here = places.find((place) => pathname.startsWith(place.to))?.to ?? false;
  return (
    <Box sx={{ minHeight: '100%', display: 'flex', flexDirection: 'column' }}>
      <MuiLink
        href="#content"
        sx={{
          position: 'fixed',
          zIndex: 'tooltip',
          left: 16,
          top: -60,
          px: 2,
          py: 1,
          borderRadius: '8px',
          bgcolor: 'primary.main',
          color: 'primary.contrastText',
          '&:focus': { top: 12 },
        }}
      >
        Skip to the content
      </MuiLink>
      <AppBar
        position="sticky"
        elevation={0}
        sx={{
          color: 'text.primary',
          bgcolor: 'color-mix(in srgb, var(--mui-palette-background-default) 82%, transparent)',
          backgroundImage: 'none',
          backdropFilter: 'blur(14px)',
          borderBottom: 1,
          borderColor: 'divider',
        }}
      >
        <Container maxWidth="xl">
          <Toolbar disableGutters sx={{ gap: { xs: 0.5, sm: 1 } }}>
            <Box
              component={Link}
              to="/catalog"
              aria-label="StreamSpace, to the catalog"
              sx={{ display: 'flex', textDecoration: 'none', mr: { md: 3 } }}
            >
              <Logo />
            </Box>
            <Stack
              component="nav"
              aria-label="Main"
              direction="row"
              spacing={0.5}
              sx={{ display: { xs: 'none', md: 'flex' } }}
            >
              {places.map(({ to, label, icon: Icon }) => (
                <Button
                  key={to}
                  component={Link}
                  to={to}
                  aria-current={here === to ? 'page' : undefined}
                  startIcon={<Icon size={18} />}
                  color={here === to ? 'primary' : 'inherit'}
                  sx={{ px: 1.75, bgcolor: here === to ? 'action.hover' : 'transparent' }}
                >
                  {label}
                </Button>
              ))}
            </Stack>
            <Box sx={{ flex: 1 }} />
            <LiveChip />
            <ModeButton />
            <NotificationBell />
            <UserMenu />
          </Toolbar>
        </Container>
      </AppBar>
      <Container
        component="main"
        id="content"
        tabIndex={-1}
        maxWidth="xl"
        sx={{ flex: 1, pt: { xs: 3, md: 5 }, pb: { xs: 14, md: 8 }, outline: 'none' }}
      >
        <ErrorBoundary key={pathname}>
          <Suspense fallback={<LoadingRows />}>
            <Outlet />
          </Suspense>
        </ErrorBoundary>
      </Container>
      <Paper
        component="nav"
        aria-label="Main"
        square
        sx={{
          display: { md: 'none' },
          position: 'fixed',
          insetInline: 0,
          bottom: 0,
          zIndex: 'appBar',
          borderTop: 1,
          borderColor: 'divider',
          pb: 'env(safe-area-inset-bottom)',
        }}
      >
        <BottomNavigation showLabels value={here} sx={{ height: 64 }}>
          {places.map(({ to, label, icon: Icon }) => (
            <BottomNavigationAction
              key={to}
              component={Link}
              to={to}
              value={to}
              label={label}
              icon={<Icon size={22} />}
              aria-current={here === to ? 'page' : undefined}
            />
          ))}
        </BottomNavigation>
      </Paper>
    </Box>
  );
}
