import { Box, Button, CircularProgress, Typography } from '@mui/material';
import { useRef } from 'react';
import type { ReactNode } from 'react';
import { api } from '../../api/resources';
import type { Joined } from '../../api/types';
import { explainRefusal } from '../../stream/closure';
import type { Closure } from '../../stream/closure';
import type { Settings, StreamSession } from '../../stream/session';
import type { Ticket } from '../../stream/ticket';
import { Veil } from '../viewer/overlay';
import { Stage } from '../viewer/stage';
import { useStore, useStream } from '../viewer/use-stream';

/** Somebody else's desktop for who came by a link. Each connection joins anew, so that it ends with the link. */
export default function GuestViewer({
  token,
  joined,
  toolbar = true,
  beside,
}: {
  token: string;
  joined: Joined;
  toolbar?: boolean;
  /** What else goes along with the stream. */
  beside?: (stream: StreamSession, configure: (change: Partial<Settings>) => void) => ReactNode;
}) {
  const first = useRef<Ticket | null>(joined);
  const { stream, settings, configure } = useStream(null, async (_, signal) => {
    const ticket = first.current ?? (await api.join(token, joined.name, signal));
    first.current = null;
    return ticket;
  });
  return (
    <Stage
      title={joined.session.name}
      ready
      bare={!toolbar}
      stream={stream}
      settings={settings}
      configure={configure}
    >
      <GuestOverlay joined={joined} stream={stream} />
      {beside?.(stream, configure)}
    </Stage>
  );
}

/** What a guest is told when the stream ended: nothing that only its owner can do. */
export function guestClosure(closure: Closure): Closure {
  switch (closure.name) {
    case 'access_revoked':
      return {
        ...closure,
        title: 'You were let out',
        detail:
          'The owner has ended the link, or it has run out. Ask for a new one if you want to come back.',
        next: 'leave',
      };
    case 'not_found':
      return {
        ...explainRefusal({ status: 404 }),
        title: 'This link does not work any more',
        detail: 'It has run out or was withdrawn. Ask whoever gave it to you for a new one.',
        next: 'leave',
      };
    case 'session_stopped':
      return { ...closure, detail: 'Its owner has ended it.', next: 'leave' };
    default:
      return closure.next === 'start' ? { ...closure, next: 'retry' } : closure;
  }
}

function GuestOverlay({ joined, stream }: { joined: Joined; stream: StreamSession }) {
  const state = useStore(stream.state);
  if (state.phase === 'connected') return null;
  const closure = state.closure && guestClosure(state.closure);
  const ended = state.phase === 'ended' && closure !== null;
  return (
    <Veil icon={joined.session.icon} muted={ended}>
      <Box>
        <Typography variant="h2" component="h1">
          {closure?.title ?? `Opening ${joined.session.name}`}
        </Typography>
        <Typography color="textSecondary" sx={{ mt: 1 }}>
          {closure?.detail ?? `Shared by ${joined.session.ownerName}`}
        </Typography>
      </Box>
      {!ended && <CircularProgress size={28} aria-label="Connecting" />}
      {ended && closure.next !== 'leave' && (
        <Button variant="contained" autoFocus onClick={() => stream.reconnect()}>
          Connect again
        </Button>
      )}
    </Veil>
  );
}
