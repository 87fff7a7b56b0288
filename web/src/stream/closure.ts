/** What the viewer's main button does after a stream ended. */
export type NextStep = 'retry' | 'wake' | 'start' | 'signin' | 'leave';

/** Why a stream ended, in words for the person who watches it. */
export interface Closure {
  /** The gateway's or API's name for it (streamspace.Code), or one of ours. */
  readonly name: string;
  readonly title: string;
  readonly detail: string;
  readonly next: NextStep;
  /** Whether trying again by itself may help. */
  readonly automatic: boolean;
  /** Finds the failure in the server's log. */
  readonly requestId?: string;
}

/** The gateway's close codes. The table equals the one in the Go package gateway; a test compares them. */
export const CLOSE_CODES: Readonly<Record<number, Closure>> = {
  1011: {
    name: 'internal',
    title: 'Something went wrong on the server',
    detail: 'That is our mistake. Your desktop keeps running; connecting again usually helps.',
    next: 'retry',
    automatic: true,
  },
  1012: {
    name: 'gateway_draining',
    title: 'StreamSpace is restarting',
    detail: 'Your desktop keeps running. The picture comes back by itself in a moment.',
    next: 'retry',
    automatic: true,
  },
  1013: {
    name: 'unavailable',
    title: 'StreamSpace is busy',
    detail: 'A part that is needed does not answer at the moment.',
    next: 'retry',
    automatic: true,
  },
  4000: {
    name: 'desktop_gone',
    title: 'The desktop stopped answering',
    detail: 'It ended or hangs. StreamSpace starts it again if it can; your home folder is safe.',
    next: 'retry',
    automatic: true,
  },
  4001: {
    name: 'access_revoked',
    title: 'Your access was withdrawn',
    detail:
      'Somebody signed you out or changed what you may see. Ask your administrator if you did not expect this.',
    next: 'leave',
    automatic: false,
  },
  4002: {
    name: 'session_stopped',
    title: 'This session was stopped',
    detail: 'The desktop is gone. Its home folder stays and will be used by the next session of this kind.',
    next: 'start',
    automatic: false,
  },
  4003: {
    name: 'session_hibernated',
    title: 'This session is asleep',
    detail:
      'Nobody used it for a while, so it went to sleep to save resources. Waking it takes a few seconds.',
    next: 'wake',
    automatic: false,
  },
  4004: {
    name: 'desktop_start',
    title: 'The desktop did not come up in time',
    detail: 'The machine may be busy. Try again; if it happens twice, tell your administrator.',
    next: 'retry',
    automatic: false,
  },
  4008: {
    name: 'viewer_too_slow',
    title: 'The connection could not keep up',
    detail: 'The picture arrived more slowly than the desktop changed. A lower picture quality helps.',
    next: 'retry',
    automatic: true,
  },
  4009: {
    name: 'viewer_idle',
    title: 'This browser stopped answering',
    detail: 'That is usual after the computer slept or the network changed.',
    next: 'retry',
    automatic: true,
  },
  4010: {
    name: 'viewer_flood',
    title: 'Too much input at once',
    detail:
      'More key presses or mouse moves arrived than a person makes. Check for a stuck key, then connect again.',
    next: 'retry',
    automatic: false,
  },
  4011: {
    name: 'protocol',
    title: 'The picture could not be read',
    detail:
      'The desktop or this page sent something the other did not understand. Connecting again usually helps.',
    next: 'retry',
    automatic: true,
  },
};

/** The connection ended without a word: network, proxy, or the other end died. */
export const LOST: Closure = {
  name: 'connection_lost',
  title: 'Connection lost',
  detail: 'The network or the server went away. Your desktop keeps running.',
  next: 'retry',
  automatic: true,
};

/** The stream's address did not accept a connection at all. */
export const UNREACHABLE: Closure = {
  name: 'unreachable',
  title: 'Cannot reach the stream',
  detail:
    'The server does not accept the connection at the moment. Check your network; a proxy may block WebSockets.',
  next: 'retry',
  automatic: true,
};

/** Explains the end of a stream that had been accepted (`opened`) or not. */
export function explainClose(code: number, opened: boolean): Closure {
  return CLOSE_CODES[code] ?? (opened ? LOST : UNREACHABLE);
}

/** What the API said when asked for a ticket: an RFC 9457 problem, or status 0 when nothing answered. */
export interface Refusal {
  readonly status: number;
  readonly code?: string | undefined;
  readonly detail?: string | undefined;
  readonly requestId?: string | undefined;
}

/** Explains why there is no ticket. */
export function explainRefusal(refusal: Refusal): Closure {
  const name = refusal.code ?? `http_${refusal.status}`;
  const rest = refusal.requestId ? { name, requestId: refusal.requestId } : { name };
  switch (refusal.status) {
    case 0:
      return UNREACHABLE;
    case 401:
      return {
        ...rest,
        title: 'You are signed out',
        detail: 'Sign in again to come back to this desktop. It keeps running.',
        next: 'signin',
        automatic: false,
      };
    case 403:
      return {
        ...rest,
        title: 'You may not open this session',
        detail: refusal.detail ?? 'Ask its owner or your administrator.',
        next: 'leave',
        automatic: false,
      };
    case 404:
      return {
        ...rest,
        title: 'No such session',
        detail: 'It does not exist, or it belongs to somebody else.',
        next: 'leave',
        automatic: false,
      };
    case 409:
      return {
        ...rest,
        title: 'This session is not running',
        detail: refusal.detail ?? 'It was stopped or failed.',
        next: 'start',
        automatic: false,
      };
    case 429:
    case 502:
    case 503:
    case 504:
      return {
        ...rest,
        title: 'StreamSpace is busy',
        detail: refusal.detail ?? 'A part that is needed does not answer at the moment.',
        next: 'retry',
        automatic: true,
      };
    default:
      return {
        ...rest,
        title: 'The session could not be opened',
        detail: refusal.detail ?? 'Something went wrong on the server.',
        next: 'retry',
        automatic: refusal.status >= 500,
      };
  }
}
