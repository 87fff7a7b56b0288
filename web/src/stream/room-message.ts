import type { Permission } from './ticket';

/** One viewer in the gateway's list. */
export interface Listed {
  readonly viewer: string;
  readonly name: string;
  readonly you: boolean;
  readonly permissions: readonly Permission[];
  readonly since: string;
  /** Came by a link, without an account. */
  readonly guest: boolean;
}

/** How the gateway sees this viewer's stream. What it does not know is null. */
export interface ServerStatus {
  readonly mode: 'relay' | 'hub';
  readonly roundTripMs: number | null;
  readonly frameAgeMs: number | null;
  readonly clickToPixelMs: number | null;
  readonly quality: string | null;
  readonly bytesPerSecond: number | null;
  readonly framesPerSecond: number | null;
  readonly dropped: number;
  /** Of video: what coding a frame takes, how long it waits for that, and the bits a second it is made to fit. */
  readonly encodeMs: number | null;
  readonly queueMs: number | null;
  readonly bitrate: number | null;
}

/** What the gateway tells, with every field checked. */
export type RoomMessage =
  | { type: 'welcome'; viewer: string }
  | { type: 'viewers'; items: readonly Listed[]; total: number }
  | { type: 'control'; holder: string | null; requests: readonly string[]; idle: boolean }
  | { type: 'cursor'; viewer: string; at: { x: number; y: number } | null }
  | { type: 'status'; status: ServerStatus }
  | { type: 'refused'; code: string; detail: string };

/** What a viewer asks for. */
export type ControlCommand =
  | { type: 'control.request' | 'control.release' | 'control.take' | 'control.reset' }
  | { type: 'control.give' | 'control.deny'; to: string };

/** Reads one text frame; null for types of later versions and for what makes no sense. */
export function parseMessage(text: string): RoomMessage | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRecord(value)) return null;
  const viewer = stringOf(value.viewer);
  switch (value.type) {
    case 'welcome':
      return viewer === null ? null : { type: 'welcome', viewer };
    case 'viewers': {
      if (!Array.isArray(value.items)) return null;
      const items = value.items.flatMap(listedOf);
      return { type: 'viewers', items, total: numberOf(value.total) ?? items.length };
    }
    case 'control':
      return {
        type: 'control',
        holder: stringOf(value.holder),
        requests: (Array.isArray(value.requests) ? value.requests : []).flatMap((request: unknown) => {
          const from = isRecord(request) ? stringOf(request.viewer) : null;
          return from === null ? [] : [from];
        }),
        idle: value.idle === true,
      };
    case 'cursor': {
      if (viewer === null) return null;
      const [x, y] = [numberOf(value.x), numberOf(value.y)];
      const gone = value.gone === true || x === null || y === null;
      return { type: 'cursor', viewer, at: gone ? null : { x, y } };
    }
    case 'status':
      return { type: 'status', status: statusOf(value) };
    case 'refused':
      return {
        type: 'refused',
        code: stringOf(value.code) ?? 'unknown',
        detail: stringOf(value.detail) ?? 'That is not possible now.',
      };
    default:
      return null;
  }
}

function listedOf(value: unknown): Listed[] {
  if (!isRecord(value)) return [];
  const viewer = stringOf(value.viewer);
  if (viewer === null) return [];
  return [
    {
      viewer,
      name: stringOf(value.name) ?? '',
      you: value.you === true,
      permissions: (Array.isArray(value.permissions) ? value.permissions : []) as Permission[],
      since: stringOf(value.since) ?? '',
      guest: value.guest === true,
    },
  ];
}

function statusOf(value: Record<string, unknown>): ServerStatus {
  return {
    mode: value.mode === 'hub' ? 'hub' : 'relay',
    roundTripMs: numberOf(value.roundTripMs),
    frameAgeMs: numberOf(value.frameAgeMs),
    clickToPixelMs: numberOf(value.clickToPixelMs),
    quality: stringOf(value.quality),
    bytesPerSecond: numberOf(value.bytesPerSecond),
    framesPerSecond: numberOf(value.framesPerSecond),
    dropped: numberOf(value.dropped) ?? 0,
    encodeMs: numberOf(value.encodeMs),
    queueMs: numberOf(value.queueMs),
    bitrate: numberOf(value.bitrate),
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function stringOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
