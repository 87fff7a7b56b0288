import { Box } from '@mui/material';
import { useEffect, useRef, useState } from 'react';
import type { ReactNode } from 'react';
import { useTitle } from '../../ui/page';
import { ControlNotice } from './control-notice';
import { Cursors } from './cursors';
import { Toolbar } from './toolbar';
import type { ToolbarProps } from './toolbar';
import { TouchKeyboard } from './touch-keyboard';
import { useToolbarHiding } from './toolbar-hiding';
import { useClipboard, useStore } from './use-stream';

export interface StageProps extends Pick<
  ToolbarProps,
  'stream' | 'settings' | 'configure' | 'back' | 'menu' | 'onTakeControl' | 'onShare'
> {
  /** What people call the desktop. */
  title: string;
  /** The desktop is there or on its way: the stream may be opened. */
  ready: boolean;
  /** Without a toolbar: the page around a frame has its own. */
  bare?: boolean;
  /** What stands in front of the picture while there is none. */
  children: ReactNode;
}

/** A desktop in the whole window, with its toolbar and whoever else is there. */
export function Stage({ title, ready, bare = false, children, ...tools }: StageProps) {
  const { stream } = tools;
  useTitle(title);
  const sync = useClipboard(stream);
  const { phase } = useStore(stream.state);
  const stage = useRef<HTMLDivElement>(null);
  const frame = useRef<HTMLDivElement>(null);
  const keyboard = useRef<HTMLTextAreaElement>(null);
  const { hidden, reveal } = useToolbarHiding(phase === 'connected', frame);
  const { fullscreen, toggle } = useFullscreen();
  useEffect(() => {
    if (ready && stage.current) stream.open(stage.current);
  }, [ready, stream]);
  useEffect(() => {
    if (phase === 'connected') stream.focus();
  }, [phase, stream]);
  useToolbarChord(frame, reveal);
  return (
    <Box
      ref={frame}
      component="main"
      sx={{ position: 'fixed', inset: 0, overflow: 'hidden', bgcolor: 'background.default' }}
    >
      {!bare && (
        <Toolbar
          {...tools}
          title={title}
          sync={sync}
          hidden={hidden}
          onReveal={reveal}
          fullscreen={fullscreen}
          onFullscreen={toggle}
          onTouchKeyboard={() => keyboard.current?.focus()}
        />
      )}
      <Box
        ref={stage}
        role="application"
        aria-label={`Desktop of ${title}. Press Control, Alt and Shift together to reach the toolbar.`}
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
      {phase === 'connected' && <Cursors stream={stream} stage={stage} />}
      <TouchKeyboard stream={stream} fieldRef={keyboard} />
      <ControlNotice stream={stream} />
      {children}
    </Box>
  );
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
