import { Box, CircularProgress, Skeleton, Stack } from '@mui/material';

/** The place of cards that are on their way. */
export function LoadingCards({ count = 8, height = 190 }: { count?: number; height?: number }) {
  return (
    <Box role="status" aria-label="Loading" sx={cardGrid}>
      {Array.from({ length: count }, (_, i) => (
        <Skeleton key={i} variant="rounded" height={height} sx={{ borderRadius: '16px' }} />
      ))}
    </Box>
  );
}

/** The place of a list that is on its way. */
export function LoadingRows({ count = 5 }: { count?: number }) {
  return (
    <Stack role="status" aria-label="Loading" spacing={1.5}>
      {Array.from({ length: count }, (_, i) => (
        <Skeleton key={i} variant="rounded" height={56} />
      ))}
    </Stack>
  );
}

/** The place of a whole page that is on its way. */
export function LoadingPage() {
  return (
    <Box sx={{ minHeight: '100%', display: 'grid', placeItems: 'center' }}>
      <CircularProgress aria-label="Loading" />
    </Box>
  );
}

/** The grid that cards stand in, here and when they have come. */
export const cardGrid = {
  display: 'grid',
  gap: 2,
  gridTemplateColumns: 'repeat(auto-fill, minmax(min(100%, 290px), 1fr))',
} as const;
