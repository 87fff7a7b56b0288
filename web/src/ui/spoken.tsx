import { Box } from '@mui/material';
import type { ReactNode } from 'react';

/** Text for screen readers only. With `live`, they say it when it changes. */
export function Spoken({ live = false, children }: { live?: boolean; children: ReactNode }) {
  return (
    <Box
      component="span"
      role={live ? 'status' : undefined}
      sx={{
        position: 'absolute',
        width: '1px',
        height: '1px',
        overflow: 'hidden',
        clipPath: 'inset(50%)',
        whiteSpace: 'nowrap',
      }}
    >
      {children}
    </Box>
  );
}
