import { Box, Chip } from '@mui/material';
import type { Session } from '../api/types';

interface Look {
  readonly label: string;
  readonly color: 'default' | 'success' | 'info' | 'warning' | 'error';
  readonly moving: boolean;
}

export const STATE_LOOKS: Record<Session['state'], Look> = {
  pending: { label: 'Waiting', color: 'info', moving: true },
  starting: { label: 'Starting', color: 'info', moving: true },
  running: { label: 'Running', color: 'success', moving: false },
  hibernating: { label: 'Falling asleep', color: 'warning', moving: true },
  hibernated: { label: 'Asleep', color: 'warning', moving: false },
  waking: { label: 'Waking', color: 'info', moving: true },
  stopping: { label: 'Stopping', color: 'default', moving: true },
  stopped: { label: 'Stopped', color: 'default', moving: false },
  failed: { label: 'Failed', color: 'error', moving: false },
};

/** A session's state, told to screen readers when it changes. */
export function StateChip({ state }: { state: Session['state'] }) {
  const look = STATE_LOOKS[state];
  return (
    <Chip
      role="status"
      size="small"
      variant="outlined"
      label={look.label}
      color={look.color}
      icon={<Dot moving={look.moving} />}
      sx={{ '& .MuiChip-icon': { ml: 1, mr: 0 } }}
    />
  );
}

/** A dot in the colour of its surroundings; it breathes while something is under way. */
export function Dot({ moving = false, className }: { moving?: boolean; className?: string }) {
  return (
    <Box
      component="span"
      aria-hidden
      className={className}
      sx={{
        width: 8,
        height: 8,
        borderRadius: '50%',
        bgcolor: 'currentColor',
        flexShrink: 0,
        animation: moving ? 'breathe 1.4s ease-in-out infinite' : 'none',
        '@keyframes breathe': { '0%, 100%': { opacity: 1 }, '50%': { opacity: 0.25 } },
      }}
    />
  );
}
