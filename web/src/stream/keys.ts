/** One key as RFB and QEMU's extension name it: an X keysym and a DOM KeyboardEvent.code. */
export interface Key {
  readonly label: string;
  readonly keysym: number;
  readonly code: string;
}

export const MODIFIERS = {
  control: { label: 'Ctrl', keysym: 0xffe3, code: 'ControlLeft' },
  alt: { label: 'Alt', keysym: 0xffe9, code: 'AltLeft' },
  meta: { label: 'Super', keysym: 0xffeb, code: 'MetaLeft' },
} as const satisfies Record<string, Key>;

export type Modifier = keyof typeof MODIFIERS;

export const TAB: Key = { label: 'Tab', keysym: 0xff09, code: 'Tab' };
export const ESCAPE: Key = { label: 'Esc', keysym: 0xff1b, code: 'Escape' };
export const ENTER: Key = { label: 'Enter', keysym: 0xff0d, code: 'Enter' };
export const BACKSPACE: Key = { label: 'Backspace', keysym: 0xff08, code: 'Backspace' };

export const FUNCTION_KEYS: readonly Key[] = Array.from({ length: 12 }, (_, i) => ({
  label: `F${i + 1}`,
  keysym: 0xffbe + i,
  code: `F${i + 1}`,
}));

/** The keysym of a character: Latin-1 is itself, the rest of Unicode is offset (X11 protocol, appendix A). */
export function keysymOf(character: string): number {
  const point = character.codePointAt(0) ?? 0;
  if (point === 0x0a) return ENTER.keysym;
  if (point === 0x09) return TAB.keysym;
  return point >= 0x20 && point <= 0xff ? point : 0x0100_0000 | point;
}

/** What to send so that a remote text equal to `before` becomes `after`: so many backspaces, then these characters. */
export function textDifference(before: string, after: string): { erase: number; insert: string[] } {
  const old = [...before];
  const now = [...after];
  let same = 0;
  while (same < old.length && same < now.length && old[same] === now[same]) same++;
  return { erase: old.length - same, insert: now.slice(same) };
}
