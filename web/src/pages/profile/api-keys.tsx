import {
  Button,
  Dialog,
  DialogActions,
  DialogContent,
  DialogTitle,
  List,
  ListItem,
  ListItemText,
  MenuItem,
  Stack,
  TextField,
  Typography,
} from '@mui/material';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Plus } from 'lucide-react';
import { useState } from 'react';
import { keys } from '../../api/keys';
import { api } from '../../api/resources';
import type { ApiKey } from '../../api/types';
import { useNotify } from '../../notify/provider';
import { useConfirm } from '../../ui/confirm';
import { LoadingRows } from '../../ui/loading';
import { messageOf, ProblemAlert } from '../../ui/problem';
import { SecretDialog } from '../../ui/secret';
import { Section } from '../../ui/section';
import { Ago } from '../../ui/time';

export function ApiKeysSection() {
  const client = useQueryClient();
  const confirm = useConfirm();
  const { notify } = useNotify();
  const { data, error, isPending, refetch } = useQuery({ queryKey: keys.apiKeys, queryFn: api.apiKeys });
  const [making, setMaking] = useState(false);
  const [secret, setSecret] = useState<string | null>(null);
  const remove = useMutation({
    mutationFn: api.deleteApiKey,
    onError: (problem) =>
      notify({
        priority: 'high',
        severity: 'error',
        title: 'The key was not deleted',
        detail: messageOf(problem),
      }),
    onSettled: () => client.invalidateQueries({ queryKey: keys.apiKeys }),
  });
  const ask = async (key: ApiKey) => {
    const sure = await confirm({
      title: `Delete the key ${key.name}?`,
      text: 'Programs that use it are refused from then on.',
      action: 'Delete the key',
      dangerous: true,
    });
    if (sure) remove.mutate(key.id);
  };
  return (
    <Section
      title="API keys"
      text="For programs that act in your name. Send one as “Authorization: Bearer …”."
      action={
        <Button
          variant="outlined"
          startIcon={<Plus size={18} />}
          onClick={() => setMaking(true)}
          sx={{ flexShrink: 0 }}
        >
          New key
        </Button>
      }
    >
      {isPending && <LoadingRows count={1} />}
      {error && !data && <ProblemAlert error={error} retry={() => void refetch()} />}
      {data?.items.length === 0 && <Typography color="textSecondary">No keys.</Typography>}
      <List disablePadding>
        {data?.items.map((key) => (
          <ListItem
            key={key.id}
            disableGutters
            divider
            secondaryAction={
              <Button
                size="small"
                color="error"
                onClick={() => void ask(key)}
                aria-label={`Delete the key ${key.name}`}
              >
                Delete
              </Button>
            }
          >
            <ListItemText
              primary={key.name}
              secondary={
                <Stack
                  component="span"
                  direction="row"
                  spacing={0.75}
                  useFlexGap
                  sx={{ flexWrap: 'wrap', pr: 8 }}
                >
                  <code>{key.hint}</code>
                  <span>
                    ·{' '}
                    {key.lastUsedAt ? (
                      <>
                        used <Ago at={key.lastUsedAt} />
                      </>
                    ) : (
                      'never used'
                    )}
                  </span>
                  <span>
                    ·{' '}
                    {key.expiresAt ? (
                      <>
                        expires <Ago at={key.expiresAt} />
                      </>
                    ) : (
                      'does not expire'
                    )}
                  </span>
                </Stack>
              }
            />
          </ListItem>
        ))}
      </List>
      {making && (
        <NewKeyDialog
          onClose={() => setMaking(false)}
          onMade={(key) => {
            setMaking(false);
            setSecret(key);
            void client.invalidateQueries({ queryKey: keys.apiKeys });
          }}
        />
      )}
      {secret && (
        <SecretDialog
          title="Your new key"
          text="Copy it now. It is shown only this once."
          secret={secret}
          onClose={() => setSecret(null)}
        />
      )}
    </Section>
  );
}

const LIVES = [
  { days: 30, label: '30 days' },
  { days: 90, label: '90 days' },
  { days: 365, label: 'One year' },
  { days: 0, label: 'It does not expire' },
] as const;

function NewKeyDialog({ onClose, onMade }: { onClose: () => void; onMade: (key: string) => void }) {
  const [name, setName] = useState('');
  const [days, setDays] = useState(90);
  const create = useMutation({
    mutationFn: () => api.createApiKey(name.trim(), days || undefined),
    onSuccess: (made) => onMade(made.key),
  });
  return (
    <Dialog open onClose={onClose} maxWidth="xs" fullWidth aria-labelledby="new-key-title">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          create.mutate();
        }}
      >
        <DialogTitle id="new-key-title">New API key</DialogTitle>
        <DialogContent>
          <Stack spacing={2} sx={{ pt: 1 }}>
            <ProblemAlert error={create.error} />
            <TextField
              autoFocus
              required
              label="Name"
              placeholder="What it is for"
              value={name}
              onChange={(event) => setName(event.target.value)}
              slotProps={{ htmlInput: { maxLength: 64 } }}
            />
            <TextField
              select
              label="Valid for"
              value={days}
              onChange={(event) => setDays(Number(event.target.value))}
            >
              {LIVES.map((life) => (
                <MenuItem key={life.days} value={life.days}>
                  {life.label}
                </MenuItem>
              ))}
            </TextField>
          </Stack>
        </DialogContent>
        <DialogActions sx={{ px: 3, pb: 2.5 }}>
          <Button color="inherit" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" variant="contained" loading={create.isPending} disabled={name.trim() === ''}>
            Create
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
