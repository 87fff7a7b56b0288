import { Box, Paper, Stack, Typography } from '@mui/material';
import type { ReactNode } from 'react';
import { LogoMark } from '../brand/logo';
import { ModeButton } from '../theme/mode';
import { useTitle } from '../ui/page';

/** The page in front of the product: a card on a quiet stream. */
export function Entrance({ title, text, children }: { title: string; text: ReactNode; children: ReactNode }) {
  useTitle(title);
  return (
    <Box
      sx={{
        position: 'relative',
        minHeight: '100%',
        display: 'grid',
        placeItems: 'center',
        p: 2,
        overflow: 'hidden',
      }}
    >
      <Waves />
      <Box sx={{ position: 'absolute', top: 12, right: 12 }}>
        <ModeButton />
      </Box>
      <Paper
        component="main"
        variant="outlined"
        sx={{
          position: 'relative',
          width: '100%',
          maxWidth: 420,
          p: { xs: 3, sm: 4.5 },
          borderRadius: '20px',
        }}
      >
        <Stack spacing={3}>
          <Stack spacing={1.5} sx={{ alignItems: 'center', textAlign: 'center' }}>
            <LogoMark size={52} />
            <Typography variant="h1">{title}</Typography>
            <Typography color="textSecondary">{text}</Typography>
          </Stack>
          {children}
        </Stack>
      </Paper>
    </Box>
  );
}

function Waves() {
  return (
    <Box
      component="svg"
      aria-hidden
      viewBox="0 0 1440 900"
      preserveAspectRatio="xMidYMid slice"
      sx={{ position: 'absolute', inset: 0, width: '100%', height: '100%', color: 'primary.main' }}
    >
      {[0, 1, 2, 3, 4, 5].map((i) => (
        <path
          key={i}
          d={`M-80 ${620 + i * 46} C 260 ${420 + i * 52}, 520 ${840 + i * 30}, 860 ${600 + i * 44} S 1300 ${330 + i * 60}, 1540 ${470 + i * 48}`}
          fill="none"
          stroke="currentColor"
          strokeWidth={2.5}
          opacity={0.05 + i * 0.028}
        />
      ))}
    </Box>
  );
}
