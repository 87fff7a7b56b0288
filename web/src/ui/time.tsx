import { Tooltip } from '@mui/material';
import { ago, exactly, useNow } from './clock';

/** A moment as people say it; the exact time on hover. */
export function Ago({ at }: { at: string }) {
  const now = useNow(30_000);
  return (
    <Tooltip title={exactly(at)}>
      <time dateTime={at}>{ago(at, now)}</time>
    </Tooltip>
  );
}
