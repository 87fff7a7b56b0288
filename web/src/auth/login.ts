import { queryOptions, useQuery, useQueryClient } from '@tanstack/react-query';
import { keys } from '../api/keys';
import { api } from '../api/resources';
import { Problem, transport } from '../api/transport';
import type { Login, User } from '../api/types';

/** Who is signed in; null for nobody. */
export const loginQuery = queryOptions({
  queryKey: keys.login,
  queryFn: async (): Promise<Login | null> => {
    try {
      const login = await api.login();
      transport.setCsrfToken(login.csrfToken);
      return login;
    } catch (error) {
      if (error instanceof Problem && error.status === 401) return null;
      throw error;
    }
  },
  staleTime: 5 * 60_000,
});

/** The person who is signed in; only for pages behind RequireLogin. */
export function useUser(): User {
  const { data } = useQuery(loginQuery);
  if (!data) throw new Error('useUser outside of a signed-in page');
  return data.user;
}

/** Takes over a fresh sign-in. */
export function useEnter(): (login: Login) => void {
  const client = useQueryClient();
  return (login) => {
    transport.setCsrfToken(login.csrfToken);
    client.clear(); // nothing that another person saw may be shown to this one
    client.setQueryData(keys.login, login);
  };
}

/** A path of ours to go to after signing in; anything else becomes the catalog. */
export function returnPath(next: string | null): string {
  if (!next || !next.startsWith('/') || next.startsWith('//') || next.startsWith('/\\')) return '/catalog';
  return next.startsWith('/signin') || next.startsWith('/setup') ? '/catalog' : next;
}
