import {
  Alert,
  Box,
  Button,
  Dialog,
  DialogActions,
  DialogContent,
  DialogTitle,
  Divider,
  IconButton,
  MenuItem,
  Stack,
  TextField,
  ToggleButton,
  ToggleButtonGroup,
  Tooltip,
  Typography,
} from '@mui/material';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link2, Trash2, UserPlus } from 'lucide-react';
import { useState } from 'react';
import { keys } from '../api/keys';
import { api } from '../api/resources';
import type { Session, Share } from '../api/types';
import type { Permission } from '../stream/ticket';
import { useConfirm } from '../ui/confirm';
import { CopyButton } from '../ui/copy';
import { ProblemAlert } from '../ui/problem';
import { Ago } from '../ui/time';
import { LEVELS, levelOf, permissionsOfLevel } from './share-level';
import type { Level } from './share-level';

const HOUR = 3600; // seconds

const EXPIRIES = [
  { seconds: HOUR, label: 'For an hour' },
  { seconds: 24 * HOUR, label: 'For a day' },
  { seconds: 7 * 24 * HOUR, label: 'For a week' },
  { seconds: 0, label: 'As long as the session' },
] as const;

/** Lets others in: by their account or by a link; and shows who may come in already. */
export function ShareDialog({ session, onClose }: { session: Session; onClose: () => void }) {
  const { data, error, refetch } = useQuery({
    queryKey: keys.shares(session.id),
    queryFn: () => api.shares(session.id),
  });
  return (
    <Dialog open onClose={onClose} maxWidth="sm" fullWidth aria-labelledby="share-title">
      <DialogTitle id="share-title">Share {session.name}</DialogTitle>
      <DialogContent>
        <Stack spacing={2.5} sx={{ pt: 0.5 }}>
          <NewShare session={session} />
          <Divider />
          <Box>
            <Typography variant="subtitle2" component="h3" sx={{ mb: 1 }}>
              Who may come in
            </Typography>
            {error && !data && <ProblemAlert error={error} retry={() => void refetch()} />}
            {data?.items.length === 0 && (
              <Typography variant="body2" color="textSecondary">
                Only you. Whoever you let in sees what you see; you can end it at any time.
              </Typography>
            )}
            <Stack component="ul" spacing={1.25} sx={{ listStyle: 'none', p: 0, m: 0 }}>
              {data?.items.map((share) => (
                <ShareRow key={share.id} session={session} share={share} />
              ))}
            </Stack>
          </Box>
        </Stack>
      </DialogContent>
      <DialogActions sx={{ px: 3, pb: 2.5 }}>
        <Button color="inherit" onClick={onClose}>
          Close
        </Button>
      </DialogActions>
    </Dialog>
  );
}

function NewShare({ session }: { session: Session }) {
  const client = useQueryClient();
  const [kind, setKind] = useState<'link' | 'user'>('link');
  const [username, setUsername] = useState('');
  const [level, setLevel] = useState<Level>('watch');
  const [expiry, setExpiry] = useState<number>(24 * HOUR);
  const make = useMutation({
    mutationFn: () =>
      api.share(session.id, {
        permissions: permissionsOfLevel(level, session.permissions),
        ...(kind === 'user' && { username: username.trim() }),
        ...(expiry > 0 && { expiresInSeconds: expiry }),
      }),
    onSuccess: () => {
      setUsername('');
      void client.invalidateQueries({ queryKey: keys.shares(session.id) });
    },
  });
  return (
    <Stack
      component="form"
      spacing={2}
      onSubmit={(event) => {
        event.preventDefault();
        make.mutate();
      }}
    >
      <ToggleButtonGroup
        exclusive
        fullWidth
        size="small"
        color="primary"
        value={kind}
        aria-label="How to share"
        onChange={(_, value: 'link' | 'user' | null) => {
          if (!value) return;
          setKind(value);
          make.reset();
        }}
      >
        <ToggleButton value="link" sx={{ gap: 1, textTransform: 'none' }}>
          <Link2 size={17} /> By a link
        </ToggleButton>
        <ToggleButton value="user" sx={{ gap: 1, textTransform: 'none' }}>
          <UserPlus size={17} /> With a person
        </ToggleButton>
      </ToggleButtonGroup>
      {kind === 'user' && (
        <TextField
          required
          autoFocus
          size="small"
          label="Username"
          value={username}
          onChange={(event) => setUsername(event.target.value)}
          slotProps={{ htmlInput: { maxLength: 64, autoCapitalize: 'none', autoCorrect: 'off' } }}
        />
      )}
      <Stack direction={{ xs: 'column', sm: 'row' }} spacing={2}>
        <LevelField value={level} session={session} onChange={setLevel} />
        <TextField
          select
          fullWidth
          size="small"
          label="How long"
          value={expiry}
          onChange={(event) => setExpiry(Number(event.target.value))}
        >
          {EXPIRIES.map((choice) => (
            <MenuItem key={choice.seconds} value={choice.seconds}>
              {choice.label}
            </MenuItem>
          ))}
        </TextField>
      </Stack>
      <ProblemAlert error={make.error} />
      {make.data?.url ? (
        <Alert severity="success" icon={false} sx={{ '& .MuiAlert-message': { width: '100%' } }}>
          Whoever has this link can come in, without an account. It is not shown again.
          <Stack direction="row" spacing={1} sx={{ mt: 1, alignItems: 'center' }}>
            <Box
              component="code"
              data-testid="share-link"
              sx={{ flex: 1, overflowWrap: 'anywhere', fontSize: 13 }}
            >
              {make.data.url}
            </Box>
            <CopyButton text={make.data.url} label="Copy the link" />
          </Stack>
        </Alert>
      ) : (
        make.data?.user && (
          <Alert severity="success">
            {make.data.user.username} finds it under “Shared with me”, and can come in now.
          </Alert>
        )
      )}
      <Button
        type="submit"
        variant="contained"
        loading={make.isPending}
        disabled={kind === 'user' && username.trim() === ''}
      >
        {kind === 'user' ? 'Invite' : make.data?.url ? 'Make another link' : 'Make a link'}
      </Button>
    </Stack>
  );
}

function LevelField({
  value,
  session,
  onChange,
  label = 'What they may do',
  disabled = false,
}: {
  value: Level | null;
  session: Session;
  onChange: (level: Level) => void;
  label?: string;
  disabled?: boolean;
}) {
  return (
    <TextField
      select
      fullWidth
      size="small"
      label={label}
      disabled={disabled}
      value={value ?? ''}
      onChange={(event) => onChange(event.target.value as Level)}
    >
      {LEVELS.filter((level) => level.permissions.every((one) => session.permissions.includes(one))).map(
        (level) => (
          <MenuItem key={level.name} value={level.name}>
            {level.label}
          </MenuItem>
        ),
      )}
    </TextField>
  );
}

function ShareRow({ session, share }: { session: Session; share: Share }) {
  const client = useQueryClient();
  const confirm = useConfirm();
  const settled = () => void client.invalidateQueries({ queryKey: keys.shares(session.id) });
  const change = useMutation({
    mutationFn: (permissions: Permission[]) => api.changeShare(session.id, share.id, permissions),
    onSettled: settled,
  });
  const end = useMutation({ mutationFn: () => api.endShare(session.id, share.id), onSettled: settled });
  const who = share.user?.username ?? (share.label || 'A link');
  const ask = async () => {
    const sure = await confirm({
      title: share.kind === 'link' ? 'End this link?' : `Shut ${who} out?`,
      text: 'Whoever came in this way is out at once, and cannot come back.',
      action: 'End it',
      dangerous: true,
    });
    if (sure) end.mutate();
  };
  return (
    <Stack component="li" spacing={0.5}>
      <Stack direction="row" spacing={1.5} useFlexGap sx={{ alignItems: 'center', flexWrap: 'wrap' }}>
        <Box sx={{ color: 'text.secondary', display: 'grid' }}>
          {share.kind === 'link' ? <Link2 size={18} aria-hidden /> : <UserPlus size={18} aria-hidden />}
        </Box>
        <Box sx={{ flex: '1 1 180px', minWidth: 0 }}>
          <Typography variant="body2" noWrap title={who}>
            {who}
          </Typography>
          <Typography variant="caption" color="textSecondary" component="div">
            {share.uses === 0 ? 'not used yet' : share.uses === 1 ? 'used once' : `used ${share.uses} times`}
            {share.lastUsedAt && (
              <>
                {', last '}
                <Ago at={share.lastUsedAt} />
              </>
            )}
            {share.expiresAt && (
              <>
                {' · ends '}
                <Ago at={share.expiresAt} />
              </>
            )}
          </Typography>
        </Box>
        <Box sx={{ flex: { xs: '1 1 190px', sm: '0 0 190px' } }}>
          <LevelField
            label={share.user ? `What ${who} may do` : 'What they may do here'}
            value={levelOf(share.permissions)}
            session={session}
            disabled={change.isPending}
            onChange={(level) => change.mutate(permissionsOfLevel(level, session.permissions))}
          />
        </Box>
        <Tooltip title={share.kind === 'link' ? 'End this link' : `Shut ${who} out`}>
          <span>
            <IconButton
              size="small"
              disabled={end.isPending}
              aria-label={`End the share: ${who}`}
              onClick={() => void ask()}
            >
              <Trash2 size={17} />
            </IconButton>
          </span>
        </Tooltip>
      </Stack>
      <ProblemAlert error={change.error ?? end.error} />
    </Stack>
  );
}
