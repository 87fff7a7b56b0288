import { Chip, Tooltip } from '@mui/material';
import { useLiveStatus } from '../events/provider';
import { Dot } from '../ui/state-chip';

const LOOKS = {
  live: { label: 'Live', color: 'success', hint: 'Changes appear here as they happen.' },
  connecting: { label: 'Connecting', color: 'default', hint: 'Connecting to the live updates.' },
  offline: {
    label: 'Offline',
    color: 'warning',
    hint: 'The live updates are interrupted. What you see may be old; we keep trying to reconnect.',
  },
} as const;

/** Whether what is on the page follows the server. */
export function LiveChip() {
  const status = useLiveStatus();
  const look = LOOKS[status];
  return (
    <Tooltip title={look.hint}>
      <Chip
        role="status"
        size="small"
        variant="outlined"
        color={look.color}
        label={look.label}
        icon={<Dot moving={status !== 'live'} />}
        sx={{ '& .MuiChip-icon': { ml: 1, mr: 0 } }}
      />
    </Tooltip>
  );
}
