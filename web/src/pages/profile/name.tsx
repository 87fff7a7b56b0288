import { Button, Stack, TextField } from '@mui/material';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { keys } from '../../api/keys';
import { api } from '../../api/resources';
import type { Login } from '../../api/types';
import { useUser } from '../../auth/login';
import { useNotify } from '../../notify/provider';
import { ProblemAlert } from '../../ui/problem';
import { Section } from '../../ui/section';

export function NameSection() {
  const user = useUser();
  const client = useQueryClient();
  const { notify } = useNotify();
  const [name, setName] = useState(user.displayName);
  const rename = useMutation({
    mutationFn: api.rename,
    onSuccess: (changed) => {
      client.setQueryData<Login | null>(keys.login, (login) => login && { ...login, user: changed });
      notify({ priority: 'low', severity: 'success', title: 'Your name was changed' });
    },
  });
  return (
    <Section title="Name" text="How others see you.">
      <Stack
        component="form"
        direction={{ xs: 'column', sm: 'row' }}
        spacing={1.5}
        onSubmit={(event) => {
          event.preventDefault();
          rename.mutate(name.trim());
        }}
      >
        <TextField
          size="small"
          label="Display name"
          value={name}
          onChange={(event) => setName(event.target.value)}
          slotProps={{ htmlInput: { maxLength: 128 } }}
        />
        <Button
          type="submit"
          variant="contained"
          loading={rename.isPending}
          disabled={name.trim() === user.displayName}
          sx={{ flexShrink: 0 }}
        >
          Save
        </Button>
      </Stack>
      <ProblemAlert error={rename.error} />
    </Section>
  );
}
