import { Box, Button, Chip, Stack } from '@mui/material';
import { RotateCw } from 'lucide-react';
import { useState } from 'react';
import { qualityOf } from '../../stream/latency';
import type { LatencyQuality } from '../../stream/latency';
import type { StreamSession, StreamState, StreamStats } from '../../stream/session';
import { Spoken } from '../../ui/spoken';
import { Dot } from '../../ui/state-chip';
import { ConnectionFigures } from './connection-figures';
import { openerOf, ToolPopover } from './tool-popover';
import type { Opener } from './tool-popover';
import { useStore } from './use-stream';

const WORDS: Record<LatencyQuality, { label: string; color: 'success' | 'info' | 'warning' | 'error' }> = {
  excellent: { label: 'Excellent', color: 'success' },
  good: { label: 'Good', color: 'info' },
  fair: { label: 'Fair', color: 'warning' },
  poor: { label: 'Poor', color: 'error' },
};

/** What the chip says, and in which colour. */
export function statusOf(state: StreamState, stats: StreamStats) {
  switch (state.phase) {
    case 'connected': {
      if (state.resuming) return { label: 'Reconnecting', color: 'warning', moving: true } as const;
      if (stats.latency === null) return { label: 'Connected', color: 'success', moving: false } as const;
      const { label, color } = WORDS[qualityOf(stats.latency)];
      return { label, color, moving: false } as const;
    }
    case 'idle':
      return { label: 'Not connected', color: 'default', moving: false } as const;
    case 'ended':
      return { label: 'Disconnected', color: 'error', moving: false } as const;
    case 'waiting':
      return { label: 'Reconnecting', color: 'warning', moving: true } as const;
    default:
      return { label: 'Connecting', color: 'info', moving: true } as const;
  }
}

/** The state of the connection; behind it the figures, what they mean, and a way to connect anew. */
export function StatusChip({ stream }: { stream: StreamSession }) {
  const state = useStore(stream.state);
  const stats = useStore(stream.stats);
  const served = useStore(stream.room.status);
  const [opener, setOpener] = useState<Opener | null>(null);
  const [open, setOpen] = useState(false);
  const status = statusOf(state, stats);
  const round = stats.latency === null ? null : `${Math.max(1, Math.round(stats.latency))} ms`;
  return (
    <>
      <Chip
        size="small"
        variant="outlined"
        clickable
        color={status.color}
        icon={<Dot moving={status.moving} />}
        label={
          <>
            {status.label}
            {round && (
              <Box component="span" sx={{ ml: 0.75, opacity: 0.8, fontVariantNumeric: 'tabular-nums' }}>
                {round}
              </Box>
            )}
          </>
        }
        aria-label={`Connection: ${status.label}${round ? `, ${round}` : ''}`}
        aria-haspopup="dialog"
        onClick={(event) => {
          setOpener(openerOf(event));
          setOpen(true);
        }}
        sx={{ '& .MuiChip-icon': { ml: 1, mr: 0 } }}
      />
      <Spoken live>{state.phase === 'connected' ? 'Connected to the desktop' : status.label}</Spoken>
      <ToolPopover
        open={open}
        opener={opener}
        label="Connection"
        stream={stream}
        onClose={() => setOpen(false)}
      >
        <Stack spacing={1.5} sx={{ p: 2, width: 340, maxWidth: '100%' }}>
          <ConnectionFigures state={state} stats={stats} served={served} />
          <Button
            variant="outlined"
            startIcon={<RotateCw size={16} />}
            onClick={() => {
              setOpen(false);
              stream.reconnect();
            }}
          >
            Connect anew
          </Button>
        </Stack>
      </ToolPopover>
    </>
  );
}
