import { Box, CircularProgress } from '@mui/material';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { api } from '../../api/resources';
import { Problem } from '../../api/transport';
import type { Joined } from '../../api/types';
import { Entrance } from '../../auth/entrance';
import { EmbedBridge } from '../../embed/bridge';
import type { Settings, StreamSession } from '../../stream/session';
import { ProblemAlert } from '../../ui/problem';
import GuestViewer from './guest-viewer';

/** What the address says: the token and the page's wishes, all in the fragment, which is sent to nobody. */
function wishes() {
  const given = new URLSearchParams(window.location.hash.slice(1));
  return {
    token: given.get('token') ?? '',
    name: given.get('name') ?? '',
    toolbar: given.get('toolbar') !== '0',
  };
}

/** A desktop in a frame of another site's page. */
export default function EmbedPage() {
  const [{ token, name, toolbar }] = useState(wishes);
  const join = useQuery({
    queryKey: ['embed', token],
    queryFn: () => api.join(token, name),
    enabled: token !== '',
    staleTime: Infinity, // each answer counts as a use
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  });
  const framed = window.parent !== window;
  if (join.data && framed && join.data.embedOrigin) {
    const origin = join.data.embedOrigin;
    return (
      <GuestViewer
        token={token}
        joined={join.data}
        toolbar={toolbar}
        beside={(stream, configure) => (
          <Bridge stream={stream} configure={configure} joined={join.data} origin={origin} />
        )}
      />
    );
  }
  if (join.isLoading) {
    return (
      <Box component="main" sx={{ minHeight: '100%', display: 'grid', placeItems: 'center' }}>
        <CircularProgress aria-label="Connecting" />
      </Box>
    );
  }
  const over = token === '' || (join.error instanceof Problem && join.error.status === 404);
  return (
    <Entrance
      title={over ? 'This desktop is not shared any more' : 'This desktop cannot be shown here'}
      text={
        over
          ? 'What lets this page show it has run out or was withdrawn. Reload the page around it, or tell whoever runs that.'
          : 'It is for a frame in the page of the site that it is shared with.'
      }
    >
      <ProblemAlert error={over ? null : join.error} retry={() => void join.refetch()} />
    </Entrance>
  );
}

function Bridge({
  stream,
  configure,
  joined,
  origin,
}: {
  stream: StreamSession;
  configure: (change: Partial<Settings>) => void;
  joined: Joined;
  origin: string;
}) {
  const latest = useRef(configure); // it is made anew with each change of settings
  useEffect(() => {
    latest.current = configure;
  });
  useEffect(() => {
    const bridge = new EmbedBridge(stream, { window: window.parent, origin }, (change) =>
      latest.current(change),
    );
    bridge.open({
      type: 'ready',
      session: joined.session.id,
      name: joined.session.name,
      permissions: joined.permissions,
    });
    return () => bridge.close();
  }, [stream, joined, origin]);
  return null;
}
