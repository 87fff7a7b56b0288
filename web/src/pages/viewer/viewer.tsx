import { Box } from '@mui/material';
import { useEffect, useRef, useState } from 'react';
import type { Session } from '../../api/types';
import { useUser } from '../../auth/login';
import { useSessionActions } from '../../sessions/actions';
import { openable } from '../../sessions/steps';
import type { Permission } from '../../stream/ticket';
import { useTitle } from '../../ui/page';
import { Overlay } from './overlay';
import { Toolbar } from './toolbar';
import { TouchKeyboard } from './touch-keyboard';
import { useToolbarHiding } from './toolbar-hiding';
import { useClipboard, useStore, useStream } from './use-stream';

/** What an administrator asks for in somebody else's session: to look; and, on request, to act. */
const LOOK: readonly Permission[] = ['view'];
const ACT: readonly Permission[] = ['view', 'control', 'clipboard.in', 'clipboard.out'];

export function Viewer({ session }: { session: Session }) {
  useTitle(session.name);
  const user = useUser();
  const foreign = session.owner.id !== user.id;
  const { stream, settings, configure } = useStream(session.id, foreign ? LOOK : null);
  const sync = useClipboard(stream);
  const actions = useSessionActions();
  const { phase } = useStore(stream.state);
  const stage = useRef<HTMLDivElement>(null);
  const frame = useRef<HTMLDivElement>(null);
  const keyboard = useRef<HTMLTextAreaElement>(null);
  const { hidden, reveal } = useToolbarHiding(phase === 'connected', frame);
  const { fullscreen, toggle } = useFullscreen();

  const ready = openable(session.state);
  useEffect(() => {
    if (ready && stage.current) stream.open(stage.current);
  }, [ready, stream]);
  useEffect(() => {
    if (phase === 'connected') stream.focus();
  }, [phase, stream]);
  useRevival(session, stream);
  useToolbarChord(frame, reveal);

  return (
    <Box
      ref={frame}
      component="main"
      sx={{ position: 'fixed', inset: 0, overflow: 'hidden', bgcolor: 'background.default' }}
    >
      <Toolbar
        session={session}
        stream={stream}
        sync={sync}
        settings={settings}
        configure={configure}
        actions={actions}
        hidden={hidden}
        onReveal={reveal}
        fullscreen={fullscreen}
        onFullscreen={toggle}
        onTouchKeyboard={() => keyboard.current?.focus()}
        onTakeControl={foreign ? () => stream.reconnect(ACT) : undefined}
      />
      <Box
        ref={stage}
        role="application"
        aria-label={`Desktop of ${session.name}. Press Control, Alt and Shift together to reach the toolbar.`}
        data-phase={phase}
        sx={{
          position: 'absolute',
          inset: 0,
          // Whole pixels: noVNC compares its window with the desktop's size and would never be content with half ones.
          width: 'round(down, 100%, 1px)',
          height: 'round(down, 100%, 1px)',
          bgcolor: phase === 'connected' ? '#20262a' : 'background.default',
          display: 'grid',
          '& > *': { gridArea: '1 / 1' },
          '& > canvas[data-frozen]': { m: 'auto', filter: 'saturate(0.4)' },
        }}
      />
      <TouchKeyboard stream={stream} fieldRef={keyboard} />
      <Overlay session={session} stream={stream} actions={actions} />
    </Box>
  );
}

/** A session that ended and was started again is connected again. */
function useRevival(session: Session, stream: ReturnType<typeof useStream>['stream']): void {
  const before = useRef(session.state);
  useEffect(() => {
    const revived = before.current === 'failed' && openable(session.state);
    before.current = session.state;
    if (revived && stream.state.get().phase === 'ended') stream.reconnect();
  }, [session.state, stream]);
}

function useFullscreen() {
  const [fullscreen, setFullscreen] = useState(document.fullscreenElement !== null);
  useEffect(() => {
    const follow = () => setFullscreen(document.fullscreenElement !== null);
    document.addEventListener('fullscreenchange', follow);
    return () => document.removeEventListener('fullscreenchange', follow);
  }, []);
  const toggle = () => {
    if (document.fullscreenElement) void document.exitFullscreen();
    // The whole page, since menus are drawn beside the viewer and not inside it.
    else void document.documentElement.requestFullscreen({ navigationUI: 'hide' }).catch(() => undefined);
  };
  return { fullscreen, toggle };
}

/**
 * Control, Alt and Shift together lead from the desktop, which swallows every key, to the toolbar. The focus moves
 * when they are released, so that the desktop sees them go up again.
 */
function useToolbarChord(frame: React.RefObject<HTMLDivElement | null>, reveal: () => void): void {
  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    let chord = false;
    const down = (event: KeyboardEvent) => {
      chord =
        event.ctrlKey &&
        event.altKey &&
        event.shiftKey &&
        ['Control', 'Alt', 'Shift', 'Meta'].includes(event.key);
    };
    const up = (event: KeyboardEvent) => {
      if (!chord || event.ctrlKey || event.altKey || event.shiftKey) return;
      chord = false;
      reveal();
      element.querySelector<HTMLElement>('[role="toolbar"] a, [role="toolbar"] button')?.focus();
    };
    element.addEventListener('keydown', down, true);
    element.addEventListener('keyup', up, true);
    return () => {
      element.removeEventListener('keydown', down, true);
      element.removeEventListener('keyup', up, true);
    };
  }, [frame, reveal]);
}
