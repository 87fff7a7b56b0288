import {
  Box,
  Button,
  Card,
  CardActions,
  CardContent,
  IconButton,
  ListItemIcon,
  Menu,
  MenuItem,
  Stack,
  Typography,
} from '@mui/material';
import { EllipsisVertical, Eye, Moon, Pencil, Play, Share2, Square, Sun } from 'lucide-react';
import { useState } from 'react';
import { Link } from 'react-router';
import type { Session } from '../api/types';
import { AppIcon } from '../ui/app-icon';
import { countdown, lasting, useNow } from '../ui/clock';
import { StateChip } from '../ui/state-chip';
import { Ago } from '../ui/time';
import type { SessionActions } from './actions';
import { Progress } from './progress';
import { RenameDialog } from './rename-dialog';
import { ShareDialog } from './share-dialog';
import { comingUp, openable, stepsOf } from './steps';
import { Thumbnail } from './thumbnail';

export function SessionCard({ session, actions }: { session: Session; actions: SessionActions }) {
  const open = openable(session.state);
  return (
    <Card component="article" aria-label={session.name} sx={{ display: 'flex', flexDirection: 'column' }}>
      <Thumbnail session={session} />
      <CardContent sx={{ flex: 1 }}>
        <Stack direction="row" spacing={1.75} sx={{ alignItems: 'flex-start' }}>
          <AppIcon name={session.icon} muted={session.state === 'hibernated'} />
          <Box sx={{ flex: 1, minWidth: 0 }}>
            <Typography variant="h3" component="h2" noWrap title={session.name}>
              {session.name}
            </Typography>
            <Typography variant="body2" color="textSecondary" noWrap>
              {session.templateDisplayName}
              {session.sharedBy && ` · shared by ${session.sharedBy.username}`}
            </Typography>
          </Box>
          {session.permissions.includes('admin') && <SessionMenu session={session} actions={actions} />}
        </Stack>
        <Stack direction="row" spacing={1} sx={{ mt: 2, alignItems: 'center', flexWrap: 'wrap' }} useFlexGap>
          <StateChip state={session.state} />
          {session.viewers > 0 && (
            <Stack
              direction="row"
              spacing={0.5}
              sx={{ alignItems: 'center', color: 'text.secondary', fontSize: 13 }}
            >
              <Eye size={15} aria-hidden />
              <span>{session.viewers === 1 ? '1 viewer' : `${session.viewers} viewers`}</span>
            </Stack>
          )}
        </Stack>
        <Box sx={{ mt: 1.5, minHeight: 44 }}>
          {comingUp(session.state) ? (
            <Progress steps={stepsOf(session, false)} />
          ) : (
            <Facts session={session} />
          )}
        </Box>
      </CardContent>
      <CardActions sx={{ px: 2, pb: 2, pt: 0 }}>
        {open && (
          <Button
            component={Link}
            to={`/sessions/${session.id}`}
            variant="contained"
            fullWidth
            startIcon={session.state === 'hibernated' ? <Sun size={18} /> : <Play size={18} />}
          >
            {session.state === 'hibernated' ? 'Wake and open' : 'Open'}
          </Button>
        )}
        {session.state === 'failed' && session.permissions.includes('admin') && (
          <Button
            variant="contained"
            fullWidth
            disabled={actions.busy}
            startIcon={<Play size={18} />}
            onClick={() => actions.wake(session)}
          >
            Start again
          </Button>
        )}
      </CardActions>
    </Card>
  );
}

function Facts({ session }: { session: Session }) {
  const now = useNow(1_000);
  const left = session.hibernatesAt ? Date.parse(session.hibernatesAt) - now : null;
  return (
    <Typography
      variant="body2"
      color={session.state === 'failed' ? 'error' : 'textSecondary'}
      component="div"
    >
      {session.state === 'failed' && (session.reason ?? 'The desktop ended by itself too often.')}
      {session.state === 'hibernated' && (
        <>
          Asleep since <Ago at={session.stateChangedAt} />
        </>
      )}
      {session.state === 'running' && (
        <>
          Started <Ago at={session.startedAt ?? session.createdAt} />
          <br />
          {left !== null ? (
            <span>
              Falls asleep in{' '}
              <Box component="span" sx={{ fontVariantNumeric: 'tabular-nums' }}>
                {countdown(left)}
              </Box>{' '}
              without input
            </span>
          ) : (
            session.idleTimeoutSeconds > 0 &&
            `Falls asleep after ${lasting(session.idleTimeoutSeconds)} without input`
          )}
        </>
      )}
      {session.state === 'hibernating' && 'Saving its place'}
      {session.state === 'stopping' && 'Ending its programs'}
    </Typography>
  );
}

/** The things to do with a session besides opening it. */
export function SessionMenu({ session, actions }: { session: Session; actions: SessionActions }) {
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  const [renaming, setRenaming] = useState(false);
  const [sharing, setSharing] = useState(false);
  const choose = (action: () => void) => () => {
    setAnchor(null);
    action();
  };
  const asleep = session.state === 'hibernated' || session.state === 'hibernating';
  const ending = session.state === 'stopping' || session.state === 'stopped';
  return (
    <>
      <IconButton
        aria-label={`More for ${session.name}`}
        aria-haspopup="menu"
        size="small"
        onClick={(event) => setAnchor(event.currentTarget)}
      >
        <EllipsisVertical size={18} />
      </IconButton>
      <Menu anchorEl={anchor} open={anchor !== null} onClose={() => setAnchor(null)}>
        <MenuItem onClick={choose(() => setRenaming(true))}>
          <ListItemIcon>
            <Pencil size={18} />
          </ListItemIcon>
          Rename
        </MenuItem>
        <MenuItem disabled={ending} onClick={choose(() => setSharing(true))}>
          <ListItemIcon>
            <Share2 size={18} />
          </ListItemIcon>
          Share
        </MenuItem>
        {asleep ? (
          <MenuItem onClick={choose(() => actions.wake(session))}>
            <ListItemIcon>
              <Sun size={18} />
            </ListItemIcon>
            Wake
          </MenuItem>
        ) : (
          <MenuItem disabled={session.state !== 'running'} onClick={choose(() => actions.hibernate(session))}>
            <ListItemIcon>
              <Moon size={18} />
            </ListItemIcon>
            Let it sleep
          </MenuItem>
        )}
        <MenuItem
          disabled={ending}
          onClick={choose(() => void actions.stop(session))}
          sx={{ color: 'error.main' }}
        >
          <ListItemIcon sx={{ color: 'inherit' }}>
            <Square size={18} />
          </ListItemIcon>
          Stop
        </MenuItem>
      </Menu>
      {sharing && <ShareDialog session={session} onClose={() => setSharing(false)} />}
      {renaming && (
        <RenameDialog
          session={session}
          rename={(name) => actions.rename(session, name)}
          onClose={() => setRenaming(false)}
        />
      )}
    </>
  );
}
