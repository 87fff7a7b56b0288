import { Box, Button, Chip, Stack, Typography } from '@mui/material';
import { RotateCw } from 'lucide-react';
import { useState } from 'react';
import { qualityOf } from '../../stream/latency';
import type { LatencyQuality } from '../../stream/latency';
import type { ServerStatus } from '../../stream/room-message';
import type { StreamSession, StreamState, StreamStats } from '../../stream/session';
import { Spoken } from '../../ui/spoken';
import { Dot } from '../../ui/state-chip';
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
        <Stack spacing={1.5} sx={{ p: 2, width: 320, maxWidth: '100%' }}>
          <Figure name="Round trip" value={round ?? 'not measured'} />
          <Figure name="Receiving" value={`${bytes(stats.bytesPerSecond)}/s`} />
          {served && <Served status={served} />}
          <Figure name="Transport" value={state.transport === 'webrtc' ? 'WebRTC' : 'WebSocket'} />
          {state.transportNote !== '' && (
            <Typography variant="body2" role="note">
              Not by WebRTC: {state.transportNote} The stream goes on by WebSocket.
            </Typography>
          )}
          <Typography variant="body2" color="textSecondary">
            Every two seconds a mark travels through the stream to the desktop and back, behind all picture
            data. The figure is the median of the last five and includes decoding and painting here: it is
            what a click waits for. Below 100 ms is excellent, below 300 good, below 500 fair.
          </Typography>
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

/** What the gateway knows of the stream. */
function Served({ status }: { status: ServerStatus }) {
  const ms = (value: number | null) =>
    value === null ? 'not measured' : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
  return (
    <>
      <Figure name="To the gateway and back" value={ms(status.roundTripMs)} />
      <Figure name="Age of a frame on arrival" value={ms(status.frameAgeMs)} />
      <Figure name="From your input to its frame" value={ms(status.clickToPixelMs)} />
      <Figure
        name="Frames"
        value={status.framesPerSecond === null ? 'none' : `${status.framesPerSecond} a second`}
      />
      {status.mode === 'hub' && (
        <>
          <Figure name="Shared, in quality" value={status.quality ?? 'not known'} />
          <Figure name="Frames replaced by newer ones" value={String(status.dropped)} />
        </>
      )}
    </>
  );
}

function Figure({ name, value }: { name: string; value: string }) {
  return (
    <Stack direction="row" sx={{ justifyContent: 'space-between' }}>
      <Typography variant="body2" color="textSecondary">
        {name}
      </Typography>
      <Typography variant="body2" sx={{ fontWeight: 650, fontVariantNumeric: 'tabular-nums' }}>
        {value}
      </Typography>
    </Stack>
  );
}

function bytes(count: number): string {
  if (count < 1_000) return `${count} B`;
  if (count < 1_000_000) return `${(count / 1_000).toFixed(0)} kB`;
  return `${(count / 1_000_000).toFixed(1)} MB`;
}
