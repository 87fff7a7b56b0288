import { Badge, Divider, IconButton, Paper, Tooltip, Typography } from '@mui/material';
import {
  ArrowLeft,
  ChevronDown,
  Clipboard,
  Hand,
  Keyboard,
  Maximize,
  Minimize,
  MonitorCog,
  SquareAsterisk,
  Users,
  Volume2,
  VolumeX,
} from 'lucide-react';
import { useRef, useState } from 'react';
import { Link } from 'react-router';
import type { ClipboardSync } from '../../stream/clipboard';
import type { Settings, StreamSession } from '../../stream/session';
import type { SoundState } from '../../stream/sound';
import { ClipboardPanel } from './clipboard-panel';
import { DisplayPanel } from './display-panel';
import { KeysPanel } from './keys-panel';
import { PeoplePanel } from './people-panel';
import { SoundPanel } from './sound-panel';
import { StatusChip } from './status-chip';
import { openerOf, ToolPopover } from './tool-popover';
import type { Opener } from './tool-popover';
import { useRoom, useStore } from './use-stream';

type Panel = 'keys' | 'clipboard' | 'sound' | 'display' | 'people';

export interface ToolbarProps {
  /** What people call the desktop. */
  title: string;
  stream: StreamSession;
  sync: ClipboardSync;
  settings: Settings;
  configure: (change: Partial<Settings>) => void;
  /** Where the arrow leads; absent for guests, who have nowhere else to go. */
  back?: string | undefined;
  /** What else can be done with the session. */
  menu?: React.ReactNode;
  /** Out of the way; it comes back on touch, focus and when the pointer nears. */
  hidden: boolean;
  onReveal: () => void;
  fullscreen: boolean;
  onFullscreen: () => void;
  onTouchKeyboard: () => void;
  /** Asks for control; absent where control was given already or cannot be asked for. */
  onTakeControl?: (() => void) | undefined;
  /** Opens the sharing of the session; absent for who may not share it. */
  onShare?: (() => void) | undefined;
}

export function Toolbar(props: ToolbarProps) {
  const { title, stream, sync, hidden, onReveal, onShare } = props;
  const state = useStore(stream.state);
  const room = useRoom(stream);
  const waiting = useStore(sync.waiting);
  const sound = useStore(stream.sound.state);
  const [panel, setPanel] = useState<{ name: Panel; opener: Opener; open: boolean } | null>(null);
  const bar = useRef<HTMLDivElement>(null);
  const may = state.permissions.has('control');
  const control = may && (room.total < 2 || room.holder === null || room.holder === room.me);
  const people = room.present && (room.total > 1 || onShare !== undefined);
  const show = (name: Panel) => (event: React.MouseEvent<HTMLElement>) => {
    setPanel({ name, opener: openerOf(event), open: true });
  };
  return (
    <>
      <Paper
        ref={bar}
        role="toolbar"
        aria-label="Desktop"
        elevation={8}
        onFocus={onReveal}
        onPointerMove={onReveal}
        onKeyDown={(event) => walk(event, bar.current)}
        sx={{
          position: 'absolute',
          zIndex: 2,
          top: 'max(8px, env(safe-area-inset-top))',
          left: '50%',
          display: 'flex',
          alignItems: 'center',
          gap: { xs: 0, sm: 0.5 },
          maxWidth: 'calc(100% - 12px)',
          px: { xs: 0.5, sm: 1 },
          py: 0.5,
          borderRadius: '99px',
          border: 1,
          borderColor: 'divider',
          transform: hidden ? 'translate(-50%, calc(-100% - 24px))' : 'translate(-50%, 0)',
          opacity: hidden ? 0 : 1,
          transition: 'transform 220ms ease, opacity 220ms ease',
        }}
      >
        {props.back !== undefined && (
          <Tool label="Back to my sessions">
            <IconButton component={Link} to={props.back} size="small">
              <ArrowLeft size={19} />
            </IconButton>
          </Tool>
        )}
        <Typography
          variant="subtitle2"
          component="h1"
          noWrap
          sx={{ maxWidth: 180, px: 0.5, display: { xs: 'none', sm: 'block' } }}
          title={title}
        >
          {title}
        </Typography>
        <StatusChip stream={stream} />
        <Divider orientation="vertical" flexItem sx={{ mx: 0.5 }} />
        {!may && state.phase === 'connected' && (
          <>
            <Typography variant="caption" color="textSecondary" sx={{ px: 0.5, whiteSpace: 'nowrap' }}>
              View only
            </Typography>
            {props.onTakeControl && (
              <Tool label="Take control of mouse and keyboard">
                <IconButton size="small" onClick={props.onTakeControl}>
                  <Hand size={19} />
                </IconButton>
              </Tool>
            )}
          </>
        )}
        {control && (
          <>
            <Tool label="On-screen keyboard">
              <IconButton size="small" sx={touchOnly} onClick={props.onTouchKeyboard}>
                <Keyboard size={19} />
              </IconButton>
            </Tool>
            <Tool label="Special keys">
              <IconButton size="small" aria-haspopup="dialog" onClick={show('keys')}>
                <SquareAsterisk size={19} />
              </IconButton>
            </Tool>
          </>
        )}
        <Tool label={waiting ? 'Clipboard: the desktop copied text' : 'Clipboard'}>
          <IconButton size="small" aria-haspopup="dialog" onClick={show('clipboard')}>
            <Badge variant="dot" color="secondary" invisible={!waiting}>
              <Clipboard size={19} />
            </Badge>
          </IconButton>
        </Tool>
        {(sound.speakers !== 'absent' || sound.microphone !== 'absent') && (
          <Tool label={soundLabel(sound)}>
            <IconButton
              size="small"
              aria-haspopup="dialog"
              onClick={(event) => {
                if (sound.speakers === 'off') stream.sound.unmute();
                show('sound')(event);
              }}
            >
              <Badge variant="dot" color="error" invisible={sound.microphone !== 'on'}>
                {heard(sound) ? <Volume2 size={19} /> : <VolumeX size={19} />}
              </Badge>
            </IconButton>
          </Tool>
        )}
        <Tool label="Display and quality">
          <IconButton size="small" aria-haspopup="dialog" onClick={show('display')}>
            <MonitorCog size={19} />
          </IconButton>
        </Tool>
        <Tool label={props.fullscreen ? 'Leave full screen' : 'Full screen'}>
          <IconButton size="small" onClick={props.onFullscreen}>
            {props.fullscreen ? <Minimize size={19} /> : <Maximize size={19} />}
          </IconButton>
        </Tool>
        {people && (
          <Tool label={room.total > 1 ? `People: ${room.total} are here` : 'People and sharing'}>
            <IconButton size="small" aria-haspopup="dialog" onClick={show('people')}>
              <Badge badgeContent={room.total} color="primary" invisible={room.total < 2} max={99}>
                <Users size={19} />
              </Badge>
            </IconButton>
          </Tool>
        )}
        {props.menu}
      </Paper>
      <Handle visible={hidden} onReveal={onReveal} />
      <ToolPopover
        open={panel?.open ?? false}
        opener={panel?.opener ?? null}
        label={panel ? PANEL_NAMES[panel.name] : ''}
        stream={stream}
        onClose={() => setPanel((current) => current && { ...current, open: false })}
      >
        {panel?.name === 'keys' && <KeysPanel stream={stream} />}
        {panel?.name === 'clipboard' && <ClipboardPanel stream={stream} sync={sync} />}
        {panel?.name === 'sound' && <SoundPanel stream={stream} />}
        {panel?.name === 'people' && (
          <PeoplePanel
            stream={stream}
            onShare={
              onShare &&
              (() => {
                setPanel(null);
                onShare();
              })
            }
          />
        )}
        {panel?.name === 'display' && <DisplayPanel settings={props.settings} configure={props.configure} />}
      </ToolPopover>
    </>
  );
}

const PANEL_NAMES: Record<Panel, string> = {
  keys: 'Special keys',
  clipboard: 'Clipboard',
  sound: 'Sound',
  display: 'Display and quality',
  people: 'People',
};

function heard({ speakers }: SoundState): boolean {
  return speakers === 'waiting' || speakers === 'playing';
}

function soundLabel(sound: SoundState): string {
  const speaks = sound.microphone === 'on' ? ', microphone on' : '';
  return `Sound: ${heard(sound) ? 'on' : 'off'}${speaks}`;
}

/** Names a button; the tooltip gives it its accessible name too. */
function Tool({ label, children }: { label: string; children: React.ReactElement }) {
  return <Tooltip title={label}>{children}</Tooltip>;
}

/** Shown where there is a touch screen. */
const touchOnly = { display: 'none', '@media (any-pointer: coarse)': { display: 'inline-flex' } };

/** What stays on screen of a hidden toolbar. */
function Handle({ visible, onReveal }: { visible: boolean; onReveal: () => void }) {
  return (
    <Tooltip title="Toolbar (Ctrl+Alt+Shift)">
      <IconButton
        aria-label="Show the toolbar"
        size="small"
        tabIndex={visible ? 0 : -1}
        onClick={onReveal}
        onPointerEnter={onReveal}
        sx={{
          position: 'absolute',
          zIndex: 1,
          top: 0,
          left: '50%',
          transform: 'translateX(-50%)',
          width: 64,
          height: 20,
          borderRadius: '0 0 12px 12px',
          bgcolor: 'color-mix(in srgb, var(--mui-palette-background-paper) 70%, transparent)',
          opacity: visible ? 0.75 : 0,
          pointerEvents: visible ? 'auto' : 'none',
          '&:hover, &:focus-visible': { bgcolor: 'background.paper', opacity: 1 },
        }}
      >
        <ChevronDown size={16} />
      </IconButton>
    </Tooltip>
  );
}

/** Arrow keys walk through a toolbar (WAI-ARIA, toolbar pattern). */
function walk(event: React.KeyboardEvent, bar: HTMLElement | null): void {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!bar || step === undefined) return;
  const stops = [...bar.querySelectorAll<HTMLElement>('button, a[href], [role="button"]')].filter(
    (stop) => stop.offsetParent !== null,
  );
  const at = stops.indexOf(document.activeElement as HTMLElement);
  if (at < 0) return;
  event.preventDefault();
  stops[(at + step + stops.length) % stops.length]?.focus();
}
