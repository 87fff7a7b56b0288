import type { Permission } from '../stream/ticket';

/** What people choose from instead of single permissions. */
export type Level = 'watch' | 'control' | 'everything';

export interface LevelChoice {
  readonly name: Level;
  readonly label: string;
  readonly permissions: readonly Permission[];
}

export const LEVELS: readonly LevelChoice[] = [
  { name: 'watch', label: 'Watch', permissions: ['view'] },
  { name: 'control', label: 'Watch and control', permissions: ['view', 'control'] },
  {
    name: 'everything',
    label: 'Control and clipboard',
    permissions: ['view', 'control', 'clipboard.in', 'clipboard.out'],
  },
];

/** The permissions of a level: sound goes along with the picture where the sharer has it. */
export function permissionsOfLevel(level: Level, own: readonly Permission[]): Permission[] {
  const chosen = LEVELS.find((choice) => choice.name === level)?.permissions ?? ['view'];
  return own.includes('audio') ? [...chosen, 'audio'] : [...chosen];
}

/** The level that has exactly these permissions, sound aside; null for another mixture. */
export function levelOf(permissions: readonly Permission[]): Level | null {
  const given = new Set<Permission>(permissions.filter((one) => one !== 'audio'));
  const choice = LEVELS.find(
    (level) => level.permissions.length === given.size && level.permissions.every((one) => given.has(one)),
  );
  return choice?.name ?? null;
}
