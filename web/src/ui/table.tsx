import { Paper, TableContainer } from '@mui/material';
import type { ReactNode } from 'react';

/** A table that scrolls by itself on a narrow screen; reachable by keyboard for that. */
export function TableFrame({ label, children }: { label: string; children: ReactNode }) {
  return (
    <TableContainer
      component={Paper}
      variant="outlined"
      tabIndex={0}
      role="region"
      aria-label={label}
      sx={{
        borderRadius: '16px',
        '& tr:last-child td': { borderBottom: 0 },
        '& th': { color: 'text.secondary', fontWeight: 600 },
      }}
    >
      {children}
    </TableContainer>
  );
}
