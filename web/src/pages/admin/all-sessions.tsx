import { Button, Stack, Table, TableBody, TableCell, TableHead, TableRow, Typography } from '@mui/material';
import { useQuery } from '@tanstack/react-query';
import { Monitor } from 'lucide-react';
import { Link } from 'react-router';
import { keys } from '../../api/keys';
import { api } from '../../api/resources';
import { useSessionActions } from '../../sessions/actions';
import { openable } from '../../sessions/steps';
import { AppIcon } from '../../ui/app-icon';
import { LoadingRows } from '../../ui/loading';
import { Empty } from '../../ui/page';
import { ProblemAlert } from '../../ui/problem';
import { StateChip } from '../../ui/state-chip';
import { Spoken } from '../../ui/spoken';
import { TableFrame } from '../../ui/table';
import { Ago } from '../../ui/time';

export default function AllSessionsTab() {
  const { data, error, isPending, refetch } = useQuery({
    queryKey: keys.sessions('all'),
    queryFn: () => api.sessions('all'),
  });
  const actions = useSessionActions();
  if (isPending) return <LoadingRows />;
  if (error && !data) return <ProblemAlert error={error} retry={() => void refetch()} />;
  if (data.items.length === 0) {
    return (
      <Empty icon={<Monitor size={32} />} title="Nobody runs a desktop">
        Sessions of everybody appear here as they start.
      </Empty>
    );
  }
  return (
    <Stack spacing={2}>
      <Typography color="textSecondary">
        Looking into somebody else's session is recorded in the audit trail. You see the picture; control has
        to be taken on purpose.
      </Typography>
      <TableFrame label="All sessions">
        <Table>
          <TableHead>
            <TableRow>
              <TableCell>Session</TableCell>
              <TableCell>Owner</TableCell>
              <TableCell>State</TableCell>
              <TableCell align="right">Viewers</TableCell>
              <TableCell>Last input</TableCell>
              <TableCell>
                <Spoken>Actions</Spoken>
              </TableCell>
            </TableRow>
          </TableHead>
          <TableBody>
            {data.items.map((session) => (
              <TableRow key={session.id} hover>
                <TableCell>
                  <Stack direction="row" spacing={1.5} sx={{ alignItems: 'center' }}>
                    <AppIcon name={session.icon} size={34} />
                    <div>
                      <Typography variant="subtitle2">{session.name}</Typography>
                      <Typography variant="body2" color="textSecondary">
                        {session.templateDisplayName}
                      </Typography>
                    </div>
                  </Stack>
                </TableCell>
                <TableCell>{session.owner.username}</TableCell>
                <TableCell>
                  <StateChip state={session.state} />
                </TableCell>
                <TableCell align="right">{session.viewers}</TableCell>
                <TableCell>{session.lastActiveAt ? <Ago at={session.lastActiveAt} /> : 'none yet'}</TableCell>
                <TableCell align="right">
                  <Stack direction="row" sx={{ justifyContent: 'flex-end' }}>
                    {openable(session.state) && (
                      <Button
                        size="small"
                        component={Link}
                        to={`/sessions/${session.id}`}
                        aria-label={`Look at ${session.name} of ${session.owner.username}`}
                      >
                        Look
                      </Button>
                    )}
                    <Button
                      size="small"
                      color="error"
                      disabled={session.state === 'stopping'}
                      onClick={() => void actions.stop(session)}
                      aria-label={`Stop ${session.name} of ${session.owner.username}`}
                    >
                      Stop
                    </Button>
                  </Stack>
                </TableCell>
              </TableRow>
            ))}
          </TableBody>
        </Table>
      </TableFrame>
    </Stack>
  );
}
