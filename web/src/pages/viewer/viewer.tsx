import { useEffect, useRef, useState } from 'react';
import type { Session } from '../../api/types';
import { useUser } from '../../auth/login';
import { useSessionActions } from '../../sessions/actions';
import { SessionMenu } from '../../sessions/session-card';
import { ShareDialog } from '../../sessions/share-dialog';
import { openable } from '../../sessions/steps';
import type { Permission } from '../../stream/ticket';
import { Overlay } from './overlay';
import { Stage } from './stage';
import { useSessionStream } from './use-stream';

/** What an administrator asks for in somebody else's session: to look; and, on request, to act. */
const LOOK: readonly Permission[] = ['view'];
const ACT: readonly Permission[] = ['view', 'control', 'clipboard.in', 'clipboard.out'];

export function Viewer({ session }: { session: Session }) {
  const user = useUser();
  const foreign = session.owner.id !== user.id && !session.sharedBy;
  const { stream, settings, configure } = useSessionStream(session.id, foreign ? LOOK : null);
  const actions = useSessionActions();
  const [sharing, setSharing] = useState(false);
  const mayShare = session.permissions.includes('admin');
  useRevival(session, stream);
  return (
    <Stage
      title={session.name}
      ready={openable(session.state)}
      stream={stream}
      settings={settings}
      configure={configure}
      back="/sessions"
      menu={mayShare && <SessionMenu session={session} actions={actions} />}
      onTakeControl={foreign ? () => stream.reconnect(ACT) : undefined}
      onShare={mayShare ? () => setSharing(true) : undefined}
    >
      <Overlay session={session} stream={stream} actions={actions} />
      {sharing && <ShareDialog session={session} onClose={() => setSharing(false)} />}
    </Stage>
  );
}

/** A session that ended and was started again is connected again. */
function useRevival(session: Session, stream: ReturnType<typeof useSessionStream>['stream']): void {
  const before = useRef(session.state);
  useEffect(() => {
    const revived = before.current === 'failed' && openable(session.state);
    before.current = session.state;
    if (revived && stream.state.get().phase === 'ended') stream.reconnect();
  }, [session.state, stream]);
}
