import type { Session } from '../api/types';

/** One frame of GET /api/v1/events. */
export interface LiveEvent {
  readonly id: number;
  readonly type: string;
  readonly at: string;
  readonly session?: Session;
  readonly subject?: string;
}

/** Reads a frame; null if it is none. */
export function parseEvent(data: unknown): LiveEvent | null {
  if (typeof data !== 'string') return null;
  try {
    const value: unknown = JSON.parse(data);
    if (typeof value !== 'object' || value === null || !('type' in value) || typeof value.type !== 'string')
      return null;
    const event = value as LiveEvent;
    return typeof event.id === 'number' ? event : null;
  } catch {
    return null;
  }
}
