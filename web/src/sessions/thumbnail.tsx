import { Box } from '@mui/material';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { Link } from 'react-router';
import { keys } from '../api/keys';
import { api } from '../api/resources';
import type { Session } from '../api/types';
import { AppIcon } from '../ui/app-icon';

/** How often a newer picture is asked for while the page is to be seen, in milliseconds. Asking is what has one made. */
const REFRESH = 10_000;

/** What is on the desktop, some seconds ago; the application's icon where there is no picture. */
export function Thumbnail({ session }: { session: Session }) {
  const running = session.state === 'running';
  const shown = running || session.state === 'hibernated';
  const { data } = useQuery({
    queryKey: keys.thumbnail(session.id, session.thumbnailAt),
    queryFn: () => api.thumbnail(session.id),
    enabled: shown,
    refetchInterval: running ? REFRESH : false,
    placeholderData: keepPreviousData, // the old one stays until the new one is here
  });
  const picture = shown ? data : null;
  return (
    <Box
      {...(shown && { component: Link, to: `/sessions/${session.id}`, tabIndex: -1, 'aria-hidden': true })}
      sx={{
        display: 'grid',
        placeItems: 'center',
        aspectRatio: '16 / 9',
        bgcolor: 'action.hover',
        borderBottom: 1,
        borderColor: 'divider',
        overflow: 'hidden',
      }}
    >
      {picture ? (
        <Box
          component="img"
          src={picture}
          alt=""
          data-testid="thumbnail"
          sx={{
            width: '100%',
            height: '100%',
            objectFit: 'cover',
            objectPosition: 'top',
            filter: running ? 'none' : 'saturate(0.3) opacity(0.7)',
          }}
        />
      ) : (
        <AppIcon name={session.icon} size={56} muted />
      )}
    </Box>
  );
}
