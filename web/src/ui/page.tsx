import { Box, Stack, Typography } from '@mui/material';
import { useEffect } from 'react';
import type { ReactNode } from 'react';

/** Names the browser tab. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title ? `${title} · StreamSpace` : 'StreamSpace';
  }, [title]);
}

export function PageHeader({
  title,
  description,
  actions,
}: {
  title: string;
  description?: ReactNode;
  actions?: ReactNode;
}) {
  useTitle(title);
  return (
    <Stack direction={{ xs: 'column', sm: 'row' }} spacing={2} sx={{ alignItems: { sm: 'flex-end' }, mb: 3 }}>
      <Box sx={{ flex: 1, minWidth: 0 }}>
        <Typography variant="h1">{title}</Typography>
        {description && (
          <Typography color="textSecondary" sx={{ mt: 0.75, maxWidth: '65ch' }}>
            {description}
          </Typography>
        )}
      </Box>
      {actions && <Box sx={{ flexShrink: 0 }}>{actions}</Box>}
    </Stack>
  );
}

/** What a list shows when there is nothing in it: what it is for, and the way to the first one. */
export function Empty({
  heading = 'p',
  icon,
  title,
  children,
  action,
}: {
  /** An h1 where nothing else on the page is one. */
  heading?: 'p' | 'h1';
  icon: ReactNode;
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}) {
  return (
    <Box sx={{ textAlign: 'center', py: { xs: 6, sm: 9 }, px: 2 }}>
      <Box
        aria-hidden
        sx={{
          display: 'inline-grid',
          placeItems: 'center',
          width: 72,
          height: 72,
          borderRadius: '50%',
          color: 'primary.main',
          bgcolor: 'color-mix(in srgb, currentColor 10%, transparent)',
          mb: 2,
        }}
      >
        {icon}
      </Box>
      <Typography variant="h2" component={heading}>
        {title}
      </Typography>
      {children && (
        <Typography color="textSecondary" sx={{ mt: 1, mx: 'auto', maxWidth: '46ch' }}>
          {children}
        </Typography>
      )}
      {action && <Box sx={{ mt: 3 }}>{action}</Box>}
    </Box>
  );
}
