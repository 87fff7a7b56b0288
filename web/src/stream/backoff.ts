/** The first wait in milliseconds: a gateway that restarts is back within a second. */
export const BACKOFF_FIRST = 500;

/** The longest wait in milliseconds: a person should not have to stare at a countdown for longer. */
export const BACKOFF_LONGEST = 15_000;

/**
 * How long to wait before attempt number `attempt` (from 1), in milliseconds. The wait doubles each time; half of
 * it is random, so that the viewers of a restarted gateway do not come back in step.
 */
export function backoff(attempt: number, random: () => number = Math.random): number {
  const whole = Math.min(BACKOFF_FIRST * 2 ** (attempt - 1), BACKOFF_LONGEST);
  return Math.round(whole / 2 + (whole / 2) * random());
}
