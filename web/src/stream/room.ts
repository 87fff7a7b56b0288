import { parseMessage } from './room-message';
import type { ControlCommand, Listed, RoomMessage, ServerStatus } from './room-message';
import { Store } from './store';
import type { Permission } from './ticket';

/** How many cursors are kept: as many as the gateway lists people. */
const CURSORS = 64;

export interface Person extends Listed {
  /** What people call them; never empty. */
  readonly label: string;
}

export interface RoomState {
  /** Whether the gateway speaks of a room at all. */
  readonly present: boolean;
  readonly me: string | null;
  readonly people: readonly Person[];
  /** How many are here; more than `people` has when the room is very full. */
  readonly total: number;
  readonly holder: string | null;
  /** Who asks for control, oldest first. */
  readonly requests: readonly string[];
  /** Whether the holder has not done anything for a while. */
  readonly idle: boolean;
}

export interface Cursor {
  readonly x: number;
  readonly y: number;
}

/** The gateway's answer to something that was asked for in vain; `count` tells two equal ones apart. */
export interface Refused {
  readonly code: string;
  readonly detail: string;
  readonly count: number;
}

const EMPTY: RoomState = {
  present: false,
  me: null,
  people: [],
  total: 0,
  holder: null,
  requests: [],
  idle: false,
};

/** What of this viewer's input is worth sending: all, where it points for the others' sake, or nothing. */
export type InputMode = 'full' | 'pointer' | 'none';

/** Who is at this desktop and who has control, as the gateway tells; and the ways to ask for it. */
export class RoomClient {
  readonly state = new Store<RoomState>(EMPTY);
  /** Where others point, in pixels of the desktop, by viewer. */
  readonly cursors = new Store<ReadonlyMap<string, Cursor>>(new Map());
  readonly status = new Store<ServerStatus | null>(null);
  readonly refused = new Store<Refused | null>(null);

  #send: (text: string) => void = () => undefined;
  #refusals = 0;

  /** Begins anew with a fresh connection, through which messages are sent. */
  enter(send: (text: string) => void): void {
    this.leave();
    this.#send = send;
  }

  /** Forgets everybody: the connection is gone. */
  leave(): void {
    this.#send = () => undefined;
    this.state.set(EMPTY);
    this.cursors.set(new Map());
    this.status.set(null);
    this.refused.set(null);
  }

  /** Takes one text frame. What is not understood is left for later versions. */
  receive(text: string): void {
    const message = parseMessage(text);
    if (message) this.#apply(message);
  }

  request(): void {
    this.#command({ type: 'control.request' });
  }

  /** Gives control back, or takes a request back. */
  release(): void {
    this.#command({ type: 'control.release' });
  }

  give(to: string): void {
    this.#command({ type: 'control.give', to });
  }

  deny(to: string): void {
    this.#command({ type: 'control.deny', to });
  }

  take(): void {
    this.#command({ type: 'control.take' });
  }

  reset(): void {
    this.#command({ type: 'control.reset' });
  }

  /** What to send of the input of a viewer with these permissions. */
  inputMode(permissions: ReadonlySet<Permission>): InputMode {
    const { present, me, holder, total } = this.state.get();
    const may = permissions.has('control');
    if (may && (!present || holder === null || holder === me)) return 'full';
    return present && total > 1 ? 'pointer' : 'none';
  }

  /** Whether this viewer's window may set the desktop's size: only who acts alone or has control. */
  mayResize(): boolean {
    const { present, me, holder, total } = this.state.get();
    return !present || total < 2 || (holder !== null && holder === me);
  }

  #command(command: ControlCommand): void {
    this.refused.set(null);
    this.#send(JSON.stringify(command));
  }

  #apply(message: RoomMessage): void {
    switch (message.type) {
      case 'welcome':
        this.#update({ present: true, me: message.viewer });
        return;
      case 'viewers':
        this.#update({
          present: true,
          people: message.items.map((item) => ({ ...item, label: item.name || 'Somebody' })),
          total: Math.max(message.total, message.items.length),
        });
        this.#forgetCursors(new Set(message.items.map((item) => item.viewer)));
        return;
      case 'control':
        this.#update({
          present: true,
          holder: message.holder,
          requests: message.requests,
          idle: message.idle,
        });
        return;
      case 'cursor':
        this.#point(message.viewer, message.at);
        return;
      case 'status':
        this.status.set(message.status);
        return;
      case 'refused':
        this.refused.set({ code: message.code, detail: message.detail, count: ++this.#refusals });
    }
  }

  #point(viewer: string, at: Cursor | null): void {
    const next = new Map(this.cursors.get());
    if (!at) next.delete(viewer);
    else if (next.has(viewer) || next.size < CURSORS) next.set(viewer, at);
    this.cursors.set(next);
  }

  #forgetCursors(here: ReadonlySet<string>): void {
    const cursors = this.cursors.get();
    if ([...cursors.keys()].every((viewer) => here.has(viewer))) return;
    this.cursors.set(new Map([...cursors].filter(([viewer]) => here.has(viewer))));
  }

  #update(change: Partial<RoomState>): void {
    this.state.set({ ...this.state.get(), ...change });
  }
}

/** Somebody in the room by id. */
export function personOf(room: RoomState, id: string | null): Person | null {
  return room.people.find((person) => person.viewer === id) ?? null;
}

/** Colours of people, dark enough for white text on them (4.5 to 1). */
const COLORS = ['#b3261e', '#1a5fb4', '#00695c', '#7b1fa2', '#8a4b00', '#2e6b1f', '#ad1457', '#3949ab'];

/**
 * Everybody's colour: the same for all who see them, and no two alike as long as there are colours. Who came first
 * keeps its own.
 */
export function colorsOf(people: readonly Person[]): ReadonlyMap<string, string> {
  const colors = new Map<string, string>();
  const taken = new Set<number>();
  for (const { viewer } of people) {
    let at = hash(viewer) % COLORS.length;
    while (taken.has(at) && taken.size < COLORS.length) at = (at + 1) % COLORS.length;
    taken.add(at);
    colors.set(viewer, COLORS[at] ?? '#1a5fb4');
  }
  return colors;
}

function hash(text: string): number {
  let sum = 0;
  for (const letter of text) sum = (sum * 31 + letter.charCodeAt(0)) >>> 0;
  return sum;
}
