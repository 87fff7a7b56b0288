import { Problem, problemFrom, unreachable } from './problem';

/** Where the API lives, on the page's own origin. */
export const API_BASE = '/api/v1';

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

/** What the whole application shares with the server: the CSRF token and the news that the sign-in ended. */
export class Transport {
  #csrfToken = '';
  #signedOut: () => void = () => undefined;

  setCsrfToken(token: string): void {
    this.#csrfToken = token;
  }

  /** The one listener for "the server no longer knows this browser". */
  onSignedOut(listener: () => void): void {
    this.#signedOut = listener;
  }

  /** Sends the request; throws a Problem unless it succeeded. */
  readonly fetch = async (request: Request): Promise<Response> => {
    if (!SAFE.has(request.method) && this.#csrfToken !== '') {
      request.headers.set('X-CSRF-Token', this.#csrfToken);
    }
    let response: Response;
    try {
      response = await fetch(request);
    } catch (error) {
      if (request.signal.aborted) throw error;
      throw unreachable();
    }
    if (response.ok) return response;
    const problem = problemFrom(response, await response.json().catch(() => null));
    if (problem.status === 401 && !isSignIn(request)) this.#signedOut();
    throw problem;
  };
}

/** A refused sign-in is an answer, not the end of a sign-in. */
function isSignIn(request: Request): boolean {
  const path = new URL(request.url).pathname;
  if (path === `${API_BASE}/join`) return true;
  return path.startsWith(`${API_BASE}/auth/`) && !path.startsWith(`${API_BASE}/auth/logins`);
}

export const transport = new Transport();

export { Problem };
