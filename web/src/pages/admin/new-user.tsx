import {
  Button,
  Dialog,
  DialogActions,
  DialogContent,
  DialogTitle,
  MenuItem,
  Stack,
  TextField,
} from '@mui/material';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/resources';
import type { Role, User } from '../../api/types';
import { ProblemAlert } from '../../ui/problem';

/** What the API takes as a user name. */
const USERNAME = '[A-Za-z0-9][A-Za-z0-9._@\\-]*';

export function NewUserDialog({
  onClose,
  onMade,
}: {
  onClose: () => void;
  onMade: (user: User, setupUrl: string | undefined) => void;
}) {
  const [username, setUsername] = useState('');
  const [displayName, setDisplayName] = useState('');
  const [role, setRole] = useState<Role>('user');
  const create = useMutation({
    mutationFn: () =>
      api.createUser({ username, role, ...(displayName.trim() && { displayName: displayName.trim() }) }),
    onSuccess: (made) => onMade(made.user, made.setupUrl),
  });
  return (
    <Dialog open onClose={onClose} maxWidth="xs" fullWidth aria-labelledby="new-user-title">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          create.mutate();
        }}
      >
        <DialogTitle id="new-user-title">New user</DialogTitle>
        <DialogContent>
          <Stack spacing={2} sx={{ pt: 1 }}>
            <ProblemAlert error={create.error} />
            <TextField
              autoFocus
              required
              label="User name"
              value={username}
              onChange={(event) => setUsername(event.target.value.trim())}
              helperText="Letters, digits and . _ @ -. They sign in with it."
              slotProps={{
                htmlInput: { maxLength: 64, pattern: USERNAME, autoCapitalize: 'none', spellCheck: false },
              }}
            />
            <TextField
              label="Name"
              value={displayName}
              onChange={(event) => setDisplayName(event.target.value)}
              helperText="How others see them."
              slotProps={{ htmlInput: { maxLength: 128 } }}
            />
            <TextField
              select
              label="Role"
              value={role}
              onChange={(event) => setRole(event.target.value as Role)}
              helperText={
                role === 'admin' ? 'May manage users and see every session.' : 'Sees their own sessions only.'
              }
            >
              <MenuItem value="user">User</MenuItem>
              <MenuItem value="admin">Administrator</MenuItem>
            </TextField>
          </Stack>
        </DialogContent>
        <DialogActions sx={{ px: 3, pb: 2.5 }}>
          <Button color="inherit" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" variant="contained" loading={create.isPending} disabled={username === ''}>
            Create and get the link
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
