import { Alert, Box, Button, Stack } from '@mui/material';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { keys } from '../../api/keys';
import { api } from '../../api/resources';
import { mistakeIn, NewPasswordFields } from '../../auth/new-password';
import { PasswordField } from '../../auth/password-field';
import { useUser } from '../../auth/login';
import { useNotify } from '../../notify/provider';
import { ProblemAlert } from '../../ui/problem';
import { Section } from '../../ui/section';

const EMPTY = { first: '', second: '' };

export function PasswordSection() {
  const user = useUser();
  const client = useQueryClient();
  const { notify } = useNotify();
  const [current, setCurrent] = useState('');
  const [fresh, setFresh] = useState(EMPTY);
  const [mistake, setMistake] = useState<string | null>(null);
  const change = useMutation({
    mutationFn: () => api.changePassword(current, fresh.first),
    onSuccess: () => {
      setCurrent('');
      setFresh(EMPTY);
      void client.invalidateQueries({ queryKey: keys.signIns });
      notify({
        priority: 'medium',
        severity: 'success',
        title: 'Your password was changed',
        detail: 'Every other browser was signed out.',
      });
    },
  });
  return (
    <Section title="Password" text="Changing it signs you out everywhere but here.">
      <Stack
        component="form"
        spacing={2}
        sx={{ maxWidth: 420 }}
        onSubmit={(event) => {
          event.preventDefault();
          const found = mistakeIn(fresh);
          setMistake(found);
          if (!found) change.mutate();
        }}
      >
        {/* Tells password managers whose password this is. */}
        <input type="text" autoComplete="username" value={user.username} readOnly hidden />
        <PasswordField
          required
          label="Current password"
          value={current}
          onChange={(event) => setCurrent(event.target.value)}
        />
        <NewPasswordFields value={fresh} onChange={setFresh} />
        {mistake && <Alert severity="warning">{mistake}</Alert>}
        <ProblemAlert error={change.error} />
        <Box>
          <Button type="submit" variant="contained" loading={change.isPending}>
            Change the password
          </Button>
        </Box>
      </Stack>
    </Section>
  );
}
