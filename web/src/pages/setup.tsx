import { Alert, Button, Stack } from '@mui/material';
import { useMutation } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { Link, useNavigate } from 'react-router';
import { api } from '../api/resources';
import { Problem } from '../api/transport';
import { Entrance } from '../auth/entrance';
import { useEnter } from '../auth/login';
import { mistakeIn, NewPasswordFields } from '../auth/new-password';
import { ProblemAlert } from '../ui/problem';

/** The token travels in the fragment, which browsers never send to a server. */
function tokenInAddress(): string {
  return new URLSearchParams(window.location.hash.slice(1)).get('token') ?? '';
}

export function SetupPage() {
  const [token] = useState(tokenInAddress);
  const [password, setPassword] = useState({ first: '', second: '' });
  const [mistake, setMistake] = useState<string | null>(null);
  const navigate = useNavigate();
  const enter = useEnter();
  const setup = useMutation({
    mutationFn: () => api.setup(token, password.first),
    onSuccess: (login) => {
      enter(login);
      void navigate('/catalog', { replace: true });
    },
  });
  useEffect(() => {
    // The link works once; it need not stay in the history.
    if (token) window.history.replaceState(window.history.state, '', '/setup');
  }, [token]);
  if (!token) {
    return (
      <Entrance
        title="This link is not complete"
        text="Open the whole link that you were given, or ask for a new one."
      >
        <Button component={Link} to="/signin" variant="contained" size="large">
          To the sign-in page
        </Button>
      </Entrance>
    );
  }
  const used = setup.error instanceof Problem && [401, 404, 410].includes(setup.error.status);
  return (
    <Entrance title="Welcome" text="Choose a password. You use it to sign in from now on.">
      <Stack
        component="form"
        spacing={2}
        onSubmit={(event) => {
          event.preventDefault();
          const found = mistakeIn(password);
          setMistake(found);
          if (!found) setup.mutate();
        }}
      >
        {used ? (
          <Alert severity="error">
            This link was used before or is too old. Ask your administrator for a new one; the first
            administrator gets one by restarting StreamSpace.
          </Alert>
        ) : (
          <ProblemAlert error={setup.error} />
        )}
        {mistake && <Alert severity="warning">{mistake}</Alert>}
        <NewPasswordFields autoFocus value={password} onChange={setPassword} />
        <Button type="submit" variant="contained" size="large" loading={setup.isPending}>
          Set the password and sign in
        </Button>
      </Stack>
    </Entrance>
  );
}
