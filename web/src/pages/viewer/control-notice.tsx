import { Box, Button, Paper, Stack, Typography } from '@mui/material';
import { Hand } from 'lucide-react';
import { useEffect, useState } from 'react';
import { personOf } from '../../stream/room';
import type { RoomState } from '../../stream/room';
import type { StreamSession } from '../../stream/session';
import type { Permission } from '../../stream/ticket';
import { Spoken } from '../../ui/spoken';
import { useRoom, useStore } from './use-stream';

/** How long a refusal is shown, in milliseconds. */
const REFUSAL_SHOWN = 8_000;

/** What there is to tell about control: a sentence, and what can be done. */
export type Notice =
  | { kind: 'asked'; from: string; name: string }
  | { kind: 'asking'; name: string | null }
  | { kind: 'other'; name: string; idle: boolean; mayAsk: boolean; mayTake: boolean };

/** Reads it out of the room; null while there is nothing to tell. */
export function noticeOf(room: RoomState, permissions: ReadonlySet<Permission>): Notice | null {
  if (!room.present || room.total < 2 || room.me === null) return null;
  const holder = personOf(room, room.holder);
  const others = room.requests.filter((id) => id !== room.me);
  const first = others[0];
  if (room.holder === room.me && first !== undefined) {
    return { kind: 'asked', from: first, name: personOf(room, first)?.label ?? 'Somebody' };
  }
  if (room.requests.includes(room.me)) return { kind: 'asking', name: holder?.label ?? null };
  if (room.holder !== null && room.holder !== room.me && permissions.has('control')) {
    return {
      kind: 'other',
      name: holder?.label ?? 'Somebody',
      idle: room.idle,
      mayAsk: !permissions.has('admin'),
      mayTake: permissions.has('admin'),
    };
  }
  return null;
}

/** A quiet bar below the picture that says who has control when that is not oneself, and asks. */
export function ControlNotice({ stream }: { stream: StreamSession }) {
  const room = useRoom(stream);
  const { permissions } = useStore(stream.state);
  const refusal = useRefusal(stream);
  const notice = noticeOf(room, permissions);
  const words = notice && wordsOf(notice);
  return (
    <>
      <Spoken live>
        {[refusal, words ?? (room.total > 1 && controlOf(room))].filter(Boolean).join('. ')}
      </Spoken>
      {(words || refusal) && (
        <Paper
          elevation={8}
          data-testid="control-notice"
          role="group"
          aria-label="Control of the desktop"
          sx={{
            position: 'absolute',
            zIndex: 1,
            bottom: 'max(12px, env(safe-area-inset-bottom))',
            left: '50%',
            transform: 'translateX(-50%)',
            maxWidth: 'calc(100% - 16px)',
            display: 'flex',
            flexWrap: 'wrap',
            justifyContent: 'center',
            alignItems: 'center',
            gap: 1,
            px: 2,
            py: 0.75,
            borderRadius: '20px',
            border: 1,
            borderColor: notice?.kind === 'asked' ? 'primary.main' : 'divider',
          }}
        >
          <Stack direction="row" spacing={1} sx={{ alignItems: 'center' }}>
            <Box component="span" sx={{ display: 'grid', color: 'text.secondary' }}>
              <Hand size={17} aria-hidden />
            </Box>
            <Typography variant="body2">{refusal ?? words}</Typography>
          </Stack>
          {notice && <Buttons notice={notice} stream={stream} />}
        </Paper>
      )}
    </>
  );
}

function Buttons({ notice, stream }: { notice: Notice; stream: StreamSession }) {
  const { room } = stream;
  const act = (action: () => void) => () => {
    action();
    stream.focus();
  };
  switch (notice.kind) {
    case 'asked':
      return (
        <>
          <Button size="small" variant="contained" onClick={act(() => room.give(notice.from))}>
            Give control
          </Button>
          <Button size="small" color="inherit" onClick={act(() => room.deny(notice.from))}>
            Not now
          </Button>
        </>
      );
    case 'asking':
      return (
        <Button size="small" color="inherit" onClick={act(() => room.release())}>
          Never mind
        </Button>
      );
    case 'other':
      return (
        <>
          {notice.mayAsk && (
            <Button size="small" onClick={act(() => room.request())}>
              Ask for control
            </Button>
          )}
          {notice.mayTake && (
            <Button size="small" onClick={act(() => room.take())}>
              Take control
            </Button>
          )}
        </>
      );
  }
}

function wordsOf(notice: Notice): string {
  switch (notice.kind) {
    case 'asked':
      return `${notice.name} asks for control`;
    case 'asking':
      return notice.name === null ? 'You asked for control' : `You asked ${notice.name} for control`;
    case 'other':
      return `${notice.name} has control${notice.idle ? ' and is idle' : ''}`;
  }
}

/** For screen readers, when there is nothing to do. */
function controlOf(room: RoomState): string {
  if (room.holder === null) return 'Nobody has control';
  if (room.holder === room.me) return 'You have control';
  return `${personOf(room, room.holder)?.label ?? 'Somebody'} has control`;
}

/** The latest refusal, for a while. */
function useRefusal(stream: StreamSession): string | null {
  const refused = useStore(stream.room.refused);
  const [over, setOver] = useState(0);
  useEffect(() => {
    if (!refused) return;
    const timer = setTimeout(() => setOver(refused.count), REFUSAL_SHOWN);
    return () => clearTimeout(timer);
  }, [refused]);
  return refused && refused.count > over ? refused.detail : null;
}
