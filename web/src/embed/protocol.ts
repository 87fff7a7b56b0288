/**
 * What an embedded desktop and the page around it say to each other with postMessage. Every message has `streamspace`,
 * the version of this protocol. Types and fields that are not known are to be ignored.
 */
export const VERSION = 1;

/** What the frame tells the page. */
export type EmbedEvent =
  /** The frame takes commands. */
  | {
      readonly type: 'ready';
      readonly session: string;
      readonly name: string;
      readonly permissions: readonly string[];
    }
  /** How the connection is; `title` and `detail` say in words why there is none. */
  | {
      readonly type: 'state';
      readonly phase: EmbedPhase;
      readonly title: string | null;
      readonly detail: string | null;
    }
  /** Round trip through stream and desktop in milliseconds; null while it is not known. */
  | { readonly type: 'latency'; readonly ms: number | null }
  /** Whether this viewer's keys and mouse reach the desktop, and who has control if that is another. */
  | {
      readonly type: 'control';
      readonly mine: boolean;
      readonly holder: string | null;
      readonly viewers: number;
    }
  /** Text was copied inside the desktop. */
  | { readonly type: 'clipboard'; readonly text: string }
  /** It cannot go on; nothing is tried any more. */
  | { readonly type: 'error'; readonly code: string; readonly title: string; readonly detail: string };

export type EmbedPhase = 'connecting' | 'connected' | 'reconnecting' | 'ended';

/** What the page asks of the frame. */
export type EmbedCommand =
  | { readonly type: 'focus' }
  /** JPEG quality of pictures, 0 to 9. */
  | { readonly type: 'quality'; readonly value: number }
  | { readonly type: 'scale'; readonly value: 'remote' | 'fit' | 'native' }
  /** X11 keysyms with their KeyboardEvent.code; `down` absent: pressed and let go. */
  | { readonly type: 'keys'; readonly keys: readonly EmbedKey[] }
  | { readonly type: 'ctrlAltDel' }
  | { readonly type: 'clipboard'; readonly text: string }
  | { readonly type: 'requestControl' }
  | { readonly type: 'releaseControl' }
  | { readonly type: 'reconnect' };

export interface EmbedKey {
  readonly keysym: number;
  readonly code?: string;
  readonly down?: boolean;
}

/** The most keys of one command. */
const MAX_KEYS = 64;

/** The longest text that is taken as the clipboard's, in characters. */
const MAX_TEXT = 256 * 1024;

/** Reads a message; null for what is none, or of another version. Nothing of it is believed unseen. */
export function parseCommand(data: unknown): EmbedCommand | null {
  if (!isRecord(data) || data.streamspace !== VERSION) return null;
  switch (data.type) {
    case 'focus':
    case 'ctrlAltDel':
    case 'requestControl':
    case 'releaseControl':
    case 'reconnect':
      return { type: data.type };
    case 'quality':
      return inRange(data.value, 0, 9) ? { type: 'quality', value: Math.round(data.value) } : null;
    case 'scale':
      return data.value === 'remote' || data.value === 'fit' || data.value === 'native'
        ? { type: 'scale', value: data.value }
        : null;
    case 'clipboard':
      return typeof data.text === 'string' && data.text.length <= MAX_TEXT
        ? { type: 'clipboard', text: data.text }
        : null;
    case 'keys': {
      if (!Array.isArray(data.keys) || data.keys.length > MAX_KEYS) return null;
      const keys = data.keys.flatMap(keyOf);
      return keys.length === data.keys.length ? { type: 'keys', keys } : null;
    }
    default:
      return null;
  }
}

function keyOf(value: unknown): EmbedKey[] {
  if (!isRecord(value) || !inRange(value.keysym, 1, 0x1fff_ffff)) return [];
  return [
    {
      keysym: Math.round(value.keysym),
      ...(typeof value.code === 'string' && { code: value.code }),
      ...(typeof value.down === 'boolean' && { down: value.down }),
    },
  ];
}

function inRange(value: unknown, least: number, most: number): value is number {
  return typeof value === 'number' && value >= least && value <= most;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
