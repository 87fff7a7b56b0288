import type { LiveEvent } from '../api/types';

/** Reads one frame of GET /api/v1/events; null if it is none. */
export function parseEvent(data: unknown): LiveEvent | null {
  if (typeof data !== 'string') return null;
  try {
    const value: unknown = JSON.parse(data);
    if (typeof value !== 'object' || value === null) return null;
    if (!('type' in value) || typeof value.type !== 'string') return null;
    if (!('id' in value) || typeof value.id !== 'number') return null;
    return value as LiveEvent;
  } catch {
    return null;
  }
}
