import { useEffect, useState } from 'react';

/** The present moment in milliseconds, renewed every `every` milliseconds while the component is shown. */
export function useNow(every: number): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}

const UNITS: readonly [number, Intl.RelativeTimeFormatUnit][] = [
  [86_400_000, 'day'],
  [3_600_000, 'hour'],
  [60_000, 'minute'],
];

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const absolute = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' });

/** "5 minutes ago", "in 2 hours", "yesterday". */
export function ago(at: string, now: number): string {
  const difference = Date.parse(at) - now;
  const unit = UNITS.find(([size]) => Math.abs(difference) >= size);
  if (!unit) return difference > 5_000 ? 'in a moment' : 'just now';
  return relative.format(Math.round(difference / unit[0]), unit[1]);
}

export function exactly(at: string): string {
  return absolute.format(Date.parse(at));
}

/** "1:05:09", "12:30", "0:07". */
export function countdown(milliseconds: number): string {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  const pad = (value: number) => String(value).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const rest = `${hours > 0 ? pad(Math.floor(seconds / 60) % 60) : Math.floor(seconds / 60)}:${pad(seconds % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
}

/** "45 minutes", "2 hours", "never". */
export function lasting(seconds: number): string {
  if (seconds === 0) return 'never';
  const [value, unit] =
    seconds % 3600 === 0
      ? [seconds / 3600, 'hour']
      : seconds >= 60
        ? [Math.round(seconds / 60), 'minute']
        : [seconds, 'second'];
  return `${value} ${unit}${value === 1 ? '' : 's'}`;
}
