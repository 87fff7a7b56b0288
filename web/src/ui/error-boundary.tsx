import { Box, Button, Stack, Typography } from '@mui/material';
import { Component } from 'react';
import type { ReactNode } from 'react';
import { LogoMark } from '../brand/logo';

/** Catches what a page could not handle, so that a mistake never leaves a white screen. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { error: Error | null }> {
  override state: { error: Error | null } = { error: null };

  static getDerivedStateFromError(error: Error): { error: Error } {
    return { error };
  }

  override render(): ReactNode {
    return this.state.error ? <CrashPage message={this.state.error.message} /> : this.props.children;
  }
}

export function CrashPage({ message }: { message: string }) {
  return (
    <Box component="main" sx={{ minHeight: '100%', display: 'grid', placeItems: 'center', p: 3 }}>
      <Stack spacing={2} sx={{ maxWidth: 460, textAlign: 'center', alignItems: 'center' }} role="alert">
        <LogoMark size={48} />
        <Typography variant="h1">This page broke</Typography>
        <Typography color="textSecondary">
          That is our mistake, not yours. Your desktops keep running. Reload the page to go on; if it happens
          again, tell your administrator what you did and this message:
        </Typography>
        <Box
          component="code"
          sx={{ px: 1.5, py: 1, borderRadius: '8px', bgcolor: 'action.hover', overflowWrap: 'anywhere' }}
        >
          {message}
        </Box>
        <Stack direction="row" spacing={1.5}>
          <Button variant="contained" onClick={() => window.location.reload()}>
            Reload
          </Button>
          <Button href="/catalog">To the catalog</Button>
        </Stack>
      </Stack>
    </Box>
  );
}
