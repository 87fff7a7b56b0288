import { Button, Chip, List, ListItem, ListItemAvatar, ListItemText, Typography } from '@mui/material';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { keys } from '../../api/keys';
import { api } from '../../api/resources';
import type { Home } from '../../api/types';
import { useNotify } from '../../notify/provider';
import { AppIcon } from '../../ui/app-icon';
import { useConfirm } from '../../ui/confirm';
import { LoadingRows } from '../../ui/loading';
import { messageOf, ProblemAlert } from '../../ui/problem';
import { Section } from '../../ui/section';
import { Ago } from '../../ui/time';

export function HomesSection() {
  const client = useQueryClient();
  const confirm = useConfirm();
  const { notify } = useNotify();
  const { data, error, isPending, refetch } = useQuery({ queryKey: keys.homes, queryFn: api.homes });
  const { data: templates } = useQuery({ queryKey: keys.templates, queryFn: api.templates });
  const remove = useMutation({
    mutationFn: api.deleteHome,
    onSuccess: () => notify({ priority: 'low', severity: 'success', title: 'The home folder was deleted' }),
    onError: (problem) =>
      notify({
        priority: 'high',
        severity: 'error',
        title: 'The home folder was not deleted',
        detail: messageOf(problem),
      }),
    onSettled: () => client.invalidateQueries({ queryKey: keys.homes }),
  });
  const template = (home: Home) => templates?.items.find((one) => one.name === home.template);
  const ask = async (home: Home) => {
    const name = template(home)?.displayName ?? home.template;
    const sure = await confirm({
      title: 'Delete this home folder?',
      text: `Every file that was kept from your ${name} sessions in it is deleted. This cannot be undone.`,
      action: 'Delete the folder',
      dangerous: true,
    });
    if (sure) remove.mutate(home.id);
  };
  return (
    <Section
      title="Home folders"
      text="What your sessions keep. The next session of the same kind uses its folder again."
    >
      {isPending && <LoadingRows count={2} />}
      {error && !data && <ProblemAlert error={error} retry={() => void refetch()} />}
      {data?.items.length === 0 && (
        <Typography color="textSecondary">None yet. The first session you start makes one.</Typography>
      )}
      <List disablePadding>
        {data?.items.map((home) => (
          <ListItem
            key={home.id}
            disableGutters
            divider
            secondaryAction={
              home.sessionId ? (
                <Chip size="small" variant="outlined" label="In use" />
              ) : (
                <Button
                  size="small"
                  color="error"
                  disabled={remove.isPending}
                  onClick={() => void ask(home)}
                  aria-label={`Delete the home folder of ${template(home)?.displayName ?? home.template}`}
                >
                  Delete
                </Button>
              )
            }
          >
            <ListItemAvatar>
              <AppIcon name={template(home)?.icon ?? ''} size={38} />
            </ListItemAvatar>
            <ListItemText
              primary={template(home)?.displayName ?? home.template}
              secondary={
                <>
                  Used <Ago at={home.lastUsedAt} />
                </>
              }
            />
          </ListItem>
        ))}
      </List>
    </Section>
  );
}
