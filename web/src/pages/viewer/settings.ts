import type { Settings } from '../../stream/session';

const STORAGE = 'streamspace.viewer';

/** A sharp picture over a usual line; noVNC's own defaults. */
export const DEFAULTS: Settings = { scale: 'remote', transport: 'auto', quality: 6, compression: 2 };

/** The choices made in this browser earlier. */
export function loadSettings(): Settings {
  try {
    const stored = JSON.parse(localStorage.getItem(STORAGE) ?? '{}') as Partial<Settings>;
    return {
      scale: stored.scale === 'fit' || stored.scale === 'native' ? stored.scale : DEFAULTS.scale,
      transport:
        stored.transport === 'webrtc' || stored.transport === 'websocket'
          ? stored.transport
          : DEFAULTS.transport,
      quality: level(stored.quality, DEFAULTS.quality),
      compression: level(stored.compression, DEFAULTS.compression),
    };
  } catch {
    return DEFAULTS;
  }
}

export function saveSettings(settings: Settings): void {
  try {
    localStorage.setItem(STORAGE, JSON.stringify(settings));
  } catch {
    // A browser that keeps nothing: the choice lasts until the page closes.
  }
}

function level(value: number | undefined, otherwise: number): number {
  return value !== undefined && Number.isInteger(value) && value >= 0 && value <= 9 ? value : otherwise;
}
