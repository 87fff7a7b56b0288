import { Box, Button, Paper, Stack, Typography } from '@mui/material';
import { Link, useLocation } from 'react-router';
import type { Session } from '../../api/types';
import type { SessionActions } from '../../sessions/actions';
import { Progress } from '../../sessions/progress';
import { stepsOf } from '../../sessions/steps';
import type { Closure } from '../../stream/closure';
import { CLOSE_CODES } from '../../stream/closure';
import type { StreamSession } from '../../stream/session';
import { AppIcon } from '../../ui/app-icon';
import { useNow } from '../../ui/clock';
import { CopyButton } from '../../ui/copy';
import { useStore } from './use-stream';

/** What stands in front of the picture while there is none: progress, or why it ended and what to do. */
export function Overlay({
  session,
  stream,
  actions,
}: {
  session: Session;
  stream: StreamSession;
  actions: SessionActions;
}) {
  const state = useStore(stream.state);
  if (state.phase === 'connected') return null;
  const closure = closureOf(session, state.phase === 'ended' ? state.closure : null);
  return (
    <Veil icon={session.icon} muted={closure !== null}>
      {closure ? (
        <Ended closure={closure} session={session} stream={stream} actions={actions} />
      ) : state.phase === 'waiting' ? (
        <Waiting closure={state.closure} retryAt={state.retryAt} attempt={state.attempt} stream={stream} />
      ) : (
        <ComingUp session={session} again={state.attempt > 0} />
      )}
    </Veil>
  );
}

/** A card in front of the picture. */
export function Veil({ icon, muted, children }: { icon: string; muted: boolean; children: React.ReactNode }) {
  return (
    <Box
      sx={{
        position: 'absolute',
        inset: 0,
        zIndex: 1,
        display: 'grid',
        placeItems: 'center',
        p: 2,
        bgcolor: 'color-mix(in srgb, var(--mui-palette-background-default) 62%, transparent)',
        backdropFilter: 'blur(3px)',
      }}
    >
      <Paper
        variant="outlined"
        sx={{ width: '100%', maxWidth: 400, p: { xs: 3, sm: 4 }, borderRadius: '20px' }}
      >
        <Stack spacing={2.5} sx={{ alignItems: 'center', textAlign: 'center' }} role="status">
          <AppIcon name={icon} size={60} muted={muted} />
          {children}
        </Stack>
      </Paper>
    </Box>
  );
}

/** Why there is no stream: what the session says comes before what the connection said. */
function closureOf(session: Session, closure: Closure | null): Closure | null {
  if (session.state === 'stopped' || session.state === 'stopping') return CLOSE_CODES[4002] ?? closure;
  if (session.state !== 'failed') return closure;
  return {
    name: 'failed',
    title: 'The desktop failed',
    detail: session.reason ?? 'It ended by itself too often. Your home folder is safe.',
    next: 'start',
    automatic: false,
  };
}

function ComingUp({ session, again }: { session: Session; again: boolean }) {
  return (
    <>
      <Box>
        <Typography variant="h2" component="h1">
          {again ? 'Connecting again' : headline(session)}
        </Typography>
        <Typography color="textSecondary" variant="body2" sx={{ mt: 0.5 }}>
          {session.templateDisplayName} · this page opens it by itself
        </Typography>
      </Box>
      <Progress steps={stepsOf(session, false)} />
      <Button component={Link} to="/sessions" color="inherit" size="small">
        Leave; it goes on without you
      </Button>
    </>
  );
}

function headline(session: Session): string {
  switch (session.state) {
    case 'hibernated':
    case 'hibernating':
    case 'waking':
      return `Waking ${session.name}`;
    case 'running':
      return `Opening ${session.name}`;
    default:
      return `Starting ${session.name}`;
  }
}

function Waiting({
  closure,
  retryAt,
  attempt,
  stream,
}: {
  closure: Closure | null;
  retryAt: number | null;
  attempt: number;
  stream: StreamSession;
}) {
  const now = useNow(250);
  const seconds = Math.max(0, Math.ceil(((retryAt ?? now) - now) / 1000));
  return (
    <>
      <Words
        title={closure?.title ?? 'Connection lost'}
        detail={closure?.detail ?? ''}
        requestId={closure?.requestId}
      />
      <Typography
        variant="body2"
        color="textSecondary"
        aria-live="off"
        sx={{ fontVariantNumeric: 'tabular-nums' }}
      >
        {seconds > 0 ? `Trying again in ${seconds} s` : 'Trying again'}
        {attempt > 1 && ` (attempt ${attempt})`}
      </Typography>
      <Button variant="contained" autoFocus onClick={() => stream.reconnect()}>
        Try now
      </Button>
    </>
  );
}

function Ended({
  closure,
  session,
  stream,
  actions,
}: {
  closure: Closure;
  session: Session;
  stream: StreamSession;
  actions: SessionActions;
}) {
  return (
    <>
      <Words title={closure.title} detail={closure.detail} requestId={closure.requestId} />
      <Stack direction="row" spacing={1} useFlexGap sx={{ flexWrap: 'wrap', justifyContent: 'center' }}>
        <NextButton closure={closure} session={session} stream={stream} actions={actions} />
        {closure.next !== 'leave' && (
          <Button component={Link} to="/sessions" color="inherit">
            My sessions
          </Button>
        )}
      </Stack>
    </>
  );
}

function NextButton({
  closure,
  session,
  stream,
  actions,
}: {
  closure: Closure;
  session: Session;
  stream: StreamSession;
  actions: SessionActions;
}) {
  const { pathname } = useLocation();
  switch (closure.next) {
    case 'retry':
    case 'wake':
      return (
        <Button variant="contained" autoFocus onClick={() => stream.reconnect()}>
          {closure.next === 'wake' ? 'Wake it up' : 'Connect again'}
        </Button>
      );
    case 'start':
      return session.state === 'failed' ? (
        <Button variant="contained" autoFocus disabled={actions.busy} onClick={() => actions.wake(session)}>
          Start again
        </Button>
      ) : (
        <Button
          variant="contained"
          autoFocus
          loading={actions.starting !== null}
          onClick={() => actions.start(session.template)}
        >
          Start a new one
        </Button>
      );
    case 'signin':
      return (
        <Button variant="contained" component={Link} to={`/signin?next=${encodeURIComponent(pathname)}`}>
          Sign in
        </Button>
      );
    case 'leave':
      return (
        <Button variant="contained" component={Link} to="/sessions">
          To my sessions
        </Button>
      );
  }
}

function Words({
  title,
  detail,
  requestId,
}: {
  title: string;
  detail: string;
  requestId: string | undefined;
}) {
  return (
    <Box>
      <Typography variant="h2" component="h1">
        {title}
      </Typography>
      <Typography color="textSecondary" sx={{ mt: 1 }}>
        {detail}
      </Typography>
      {requestId && (
        <Typography variant="caption" color="textSecondary" component="div" sx={{ mt: 1 }}>
          Request {requestId} <CopyButton text={requestId} label="Copy the request number" />
        </Typography>
      )}
    </Box>
  );
}
