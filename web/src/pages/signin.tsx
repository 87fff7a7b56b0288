import { Alert, Button, Stack, TextField } from '@mui/material';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Navigate, useNavigate, useSearchParams } from 'react-router';
import { api } from '../api/resources';
import { Entrance } from '../auth/entrance';
import { loginQuery, returnPath, useEnter } from '../auth/login';
import { PasswordField } from '../auth/password-field';
import { ProblemAlert } from '../ui/problem';

export function SignInPage() {
  const [params] = useSearchParams();
  const next = returnPath(params.get('next'));
  const navigate = useNavigate();
  const enter = useEnter();
  const { data: login } = useQuery(loginQuery);
  const { data: setup } = useQuery({ queryKey: ['setup'], queryFn: api.setupRequired });
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const signIn = useMutation({
    mutationFn: (tried: string) => api.signIn(username.trim(), tried),
    onSuccess: (fresh) => {
      enter(fresh);
      void navigate(next, { replace: true });
    },
    onError: (_, tried) => setPassword((now) => (now === tried ? '' : now)), // not what was typed meanwhile
  });
  if (login) return <Navigate to={next} replace />;
  return (
    <Entrance title="Sign in" text="Your desktops are waiting.">
      <Stack
        component="form"
        spacing={2}
        onSubmit={(event) => {
          event.preventDefault();
          signIn.mutate(password);
        }}
      >
        {setup?.required && (
          <Alert severity="info">
            This StreamSpace is new. Open the one-time setup link that it printed when it started, and choose
            the administrator's password there.
          </Alert>
        )}
        {params.has('next') && !signIn.error && (
          <Alert severity="info">Sign in to go on where you were.</Alert>
        )}
        <ProblemAlert error={signIn.error} />
        <TextField
          required
          autoFocus
          label="User name"
          autoComplete="username"
          value={username}
          onChange={(event) => setUsername(event.target.value)}
          slotProps={{ htmlInput: { autoCapitalize: 'none', spellCheck: false } }}
        />
        <PasswordField
          required
          label="Password"
          value={password}
          onChange={(event) => setPassword(event.target.value)}
        />
        <Button type="submit" variant="contained" size="large" loading={signIn.isPending}>
          Sign in
        </Button>
      </Stack>
    </Entrance>
  );
}
