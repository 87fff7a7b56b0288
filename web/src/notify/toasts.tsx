import { Alert, AlertTitle, Box, Button, Stack, Typography } from '@mui/material';
import { Link } from 'react-router';
import { useNotify } from './provider';
import { shown } from './queue';

/** The notices on screen, most important first. */
export function Toasts() {
  const { state, dismiss } = useNotify();
  const { notices, more } = shown(state);
  return (
    <Stack
      spacing={1}
      role="region"
      aria-label="Notifications"
      sx={{
        position: 'fixed',
        zIndex: 'snackbar',
        right: { xs: 12, sm: 24 },
        left: { xs: 12, sm: 'auto' },
        bottom: { xs: 'calc(76px + env(safe-area-inset-bottom))', md: 24 },
        width: { sm: 380 },
        pointerEvents: notices.length > 0 ? 'auto' : 'none',
      }}
    >
      <Box aria-live="polite">
        <Stack spacing={1}>
          {notices.map((notice) => (
            <Alert
              key={notice.id}
              severity={notice.severity}
              role={notice.priority === 'critical' ? 'alert' : 'status'}
              onClose={() => dismiss(notice.id)}
              slotProps={{ closeButton: { 'aria-label': 'Dismiss' } }}
              sx={{
                boxShadow: 8,
                border: 1,
                borderColor: 'divider',
                bgcolor: 'background.paper',
                color: 'text.primary',
              }}
            >
              <AlertTitle sx={{ mb: notice.detail ? 0.5 : 0 }}>{notice.title}</AlertTitle>
              {notice.detail}
              {notice.action && (
                <Button
                  component={Link}
                  to={notice.action.to}
                  size="small"
                  sx={{ display: 'flex', width: 'fit-content', mt: 0.5, ml: -0.75 }}
                  onClick={() => dismiss(notice.id)}
                >
                  {notice.action.label}
                </Button>
              )}
            </Alert>
          ))}
        </Stack>
      </Box>
      {more > 0 && (
        <Typography variant="caption" color="textSecondary" sx={{ textAlign: 'right' }}>
          and {more} more
        </Typography>
      )}
    </Stack>
  );
}
