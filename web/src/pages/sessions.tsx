import { Box, Button, Typography } from '@mui/material';
import { useQuery } from '@tanstack/react-query';
import { Monitor } from 'lucide-react';
import { Link } from 'react-router';
import { keys } from '../api/keys';
import { api } from '../api/resources';
import type { Session } from '../api/types';
import { useSessionActions } from '../sessions/actions';
import type { SessionActions } from '../sessions/actions';
import { SessionCard } from '../sessions/session-card';
import { cardGrid, LoadingCards } from '../ui/loading';
import { Empty, PageHeader } from '../ui/page';
import { ProblemAlert } from '../ui/problem';

export function SessionsPage() {
  const { data, error, isPending, refetch } = useQuery({
    queryKey: keys.sessions('mine'),
    queryFn: () => api.sessions('mine'),
  });
  const shared = useQuery({ queryKey: keys.sessions('shared'), queryFn: () => api.sessions('shared') });
  const actions = useSessionActions();
  return (
    <>
      <PageHeader
        title="My sessions"
        description="Desktops that are running or asleep. Leave one and come back: it stays as you left it."
        actions={
          <Button component={Link} to="/catalog" variant="outlined">
            Start another
          </Button>
        }
      />
      {isPending && <LoadingCards count={3} height={230} />}
      {error && !data && <ProblemAlert error={error} retry={() => void refetch()} />}
      {data?.items.length === 0 && (
        <Empty
          icon={<Monitor size={32} />}
          title="No desktop is running"
          action={
            <Button component={Link} to="/catalog" variant="contained" size="large">
              Open the catalog
            </Button>
          }
        >
          Start one from the catalog. It opens right here in the browser, and its home folder is kept between
          sessions.
        </Empty>
      )}
      {data && data.items.length > 0 && <Cards sessions={data.items} actions={actions} />}
      {shared.data && shared.data.items.length > 0 && (
        <Box component="section" aria-labelledby="shared-title" sx={{ mt: 5 }}>
          <Typography variant="h2" id="shared-title" sx={{ mb: 2 }}>
            Shared with me
          </Typography>
          <Cards sessions={shared.data.items} actions={actions} />
        </Box>
      )}
    </>
  );
}

function Cards({ sessions, actions }: { sessions: readonly Session[]; actions: SessionActions }) {
  return (
    <Box component="ul" sx={{ ...cardGrid, listStyle: 'none', p: 0, m: 0 }}>
      {sessions.map((session) => (
        <Box component="li" key={session.id} sx={{ display: 'grid' }}>
          <SessionCard session={session} actions={actions} />
        </Box>
      ))}
    </Box>
  );
}
