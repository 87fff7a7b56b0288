import { Button, Chip, List, ListItem, ListItemText, Stack } from '@mui/material';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { keys } from '../../api/keys';
import { api } from '../../api/resources';
import { useNotify } from '../../notify/provider';
import { LoadingRows } from '../../ui/loading';
import { messageOf, ProblemAlert } from '../../ui/problem';
import { Section } from '../../ui/section';
import { Ago } from '../../ui/time';
import { deviceOf } from './user-agent';

export function SignInsSection() {
  const client = useQueryClient();
  const { notify } = useNotify();
  const { data, error, isPending, refetch } = useQuery({ queryKey: keys.signIns, queryFn: api.signIns });
  const revoke = useMutation({
    mutationFn: api.revokeSignIn,
    onSuccess: () => notify({ priority: 'low', severity: 'success', title: 'That browser was signed out' }),
    onError: (problem) =>
      notify({
        priority: 'high',
        severity: 'error',
        title: 'It is still signed in',
        detail: messageOf(problem),
      }),
    onSettled: () => client.invalidateQueries({ queryKey: keys.signIns }),
  });
  return (
    <Section
      title="Where you are signed in"
      text="Sign out what you do not recognise, and change your password."
    >
      {isPending && <LoadingRows count={2} />}
      {error && !data && <ProblemAlert error={error} retry={() => void refetch()} />}
      <List disablePadding>
        {data?.items.map((login) => (
          <ListItem
            key={login.id}
            disableGutters
            divider
            secondaryAction={
              login.current ? (
                <Chip size="small" color="success" variant="outlined" label="This browser" />
              ) : (
                <Button
                  size="small"
                  color="error"
                  disabled={revoke.isPending}
                  onClick={() => revoke.mutate(login.id)}
                  aria-label={`Sign out ${deviceOf(login.userAgent)}`}
                >
                  Sign out
                </Button>
              )
            }
          >
            <ListItemText
              primary={deviceOf(login.userAgent)}
              secondary={
                <Stack
                  component="span"
                  direction="row"
                  spacing={0.75}
                  useFlexGap
                  sx={{ flexWrap: 'wrap', pr: 8 }}
                >
                  <span>{login.remoteAddr}</span>
                  <span>
                    · seen <Ago at={login.lastSeenAt} />
                  </span>
                </Stack>
              }
            />
          </ListItem>
        ))}
      </List>
    </Section>
  );
}
