import { Button, Stack, TextField } from '@mui/material';
import { useMutation } from '@tanstack/react-query';
import { lazy, useEffect, useState } from 'react';
import { api } from '../../api/resources';
import { Problem } from '../../api/transport';
import type { Joined } from '../../api/types';
import { Entrance } from '../../auth/entrance';
import { ProblemAlert } from '../../ui/problem';

// It brings noVNC.
const GuestViewer = lazy(() => import('./guest-viewer'));

/** The longest name the API takes. */
const NAME_LENGTH = 64;

/** The token travels in the fragment, which browsers never send to a server. It stays there: the link works again. */
function useToken(): string {
  const [token, setToken] = useState(tokenInAddress);
  useEffect(() => {
    const follow = () => setToken(tokenInAddress());
    window.addEventListener('hashchange', follow);
    return () => window.removeEventListener('hashchange', follow);
  }, []);
  return token;
}

function tokenInAddress(): string {
  return new URLSearchParams(window.location.hash.slice(1)).get('token') ?? '';
}

/** Where a link to somebody's desktop leads: a name, and in. */
export function JoinPage() {
  const token = useToken();
  return <Join key={token} token={token} />;
}

function Join({ token }: { token: string }) {
  const [name, setName] = useState(loadName);
  const [joined, setJoined] = useState<Joined | null>(null);
  const join = useMutation({
    mutationFn: () => api.join(token, name.trim()),
    onSuccess: (answer) => {
      saveName(name.trim());
      setJoined(answer);
    },
  });
  if (joined) return <GuestViewer token={token} joined={joined} />;
  if (!token) return <LinkOver title="This link is not complete" />;
  if (join.error instanceof Problem && join.error.status === 404) return <LinkOver />;
  return (
    <Entrance
      title="You are invited to a desktop"
      text="Somebody shares a desktop with you. You need no account: say who you are, and come in."
    >
      <Stack
        component="form"
        spacing={2}
        onSubmit={(event) => {
          event.preventDefault();
          join.mutate();
        }}
      >
        <ProblemAlert error={join.error} />
        <TextField
          autoFocus
          label="Your name"
          helperText="The others see it, marked as a guest's"
          value={name}
          onChange={(event) => setName(event.target.value)}
          slotProps={{ htmlInput: { maxLength: NAME_LENGTH, autoComplete: 'name' } }}
        />
        <Button type="submit" variant="contained" size="large" loading={join.isPending}>
          Come in
        </Button>
      </Stack>
    </Entrance>
  );
}

function LinkOver({ title = 'This link does not work' }: { title?: string }) {
  return (
    <Entrance
      title={title}
      text="It was mistyped, has run out, or was withdrawn. Ask whoever gave it to you for a new one."
    >
      <Button variant="outlined" size="large" href="/">
        To StreamSpace
      </Button>
    </Entrance>
  );
}

const NAME_KEY = 'streamspace.guest-name';

function loadName(): string {
  try {
    return localStorage.getItem(NAME_KEY) ?? '';
  } catch {
    return ''; // storage is switched off
  }
}

function saveName(name: string): void {
  try {
    localStorage.setItem(NAME_KEY, name);
  } catch {
    // It is asked for again next time.
  }
}
