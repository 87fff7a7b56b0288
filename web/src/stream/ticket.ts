/** Permissions as in streamspace.Permission. */
export type Permission =
  'view' | 'control' | 'clipboard.in' | 'clipboard.out' | 'files' | 'audio' | 'microphone' | 'admin';

/** What the API hands out for one connection. */
export interface Ticket {
  readonly url: string;
  readonly ticket: string;
}

/**
 * Reads what a ticket allows, to show the right buttons. The gateway enforces it whatever this says, so the signature
 * is not checked here. A ticket that cannot be read allows looking only.
 */
export function permissionsOf(ticket: string): ReadonlySet<Permission> {
  try {
    const payload = (ticket.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
    const claims: unknown = JSON.parse(atob(payload));
    if (typeof claims === 'object' && claims !== null && 'perms' in claims && Array.isArray(claims.perms)) {
      return new Set(claims.perms as Permission[]);
    }
  } catch {
    // Not a token we know how to read.
  }
  return new Set<Permission>(['view']);
}
