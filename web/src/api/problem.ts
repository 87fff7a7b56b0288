/** A failed request: an RFC 9457 problem from the API, or status 0 when nothing answered. */
export class Problem extends Error {
  override readonly name = 'Problem';

  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly code: string | undefined,
    readonly requestId: string | undefined,
    /** Seconds to wait before trying again, when the server said so. */
    readonly retryAfter: number | undefined,
    /** What was wrong with single fields of the request. */
    readonly fields: readonly { location: string; message: string }[] = [],
  ) {
    super(detail || title);
  }
}

/** The server could not be reached at all. */
export function unreachable(): Problem {
  return new Problem(
    0,
    'Cannot reach StreamSpace',
    'The server does not answer. Check your network; it may also be restarting.',
    undefined,
    undefined,
    undefined,
  );
}

/** Reads the problem out of an answer, which may as well come from a proxy in between. */
export function problemFrom(response: Response, body: unknown): Problem {
  const members = isRecord(body) ? body : {};
  const retryAfter = Number(response.headers.get('Retry-After') ?? Number.NaN);
  return new Problem(
    response.status,
    textOf(members.title) ?? response.statusText ?? `Error ${response.status}`,
    textOf(members.detail) ?? '',
    textOf(members.code),
    textOf(members.requestId) ?? response.headers.get('X-Request-Id') ?? undefined,
    Number.isFinite(retryAfter) ? retryAfter : undefined,
    fieldsOf(members.errors),
  );
}

function fieldsOf(errors: unknown): { location: string; message: string }[] {
  if (!Array.isArray(errors)) return [];
  return errors.filter(isRecord).map((error) => ({
    location: textOf(error.location) ?? '',
    message: textOf(error.message) ?? '',
  }));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
