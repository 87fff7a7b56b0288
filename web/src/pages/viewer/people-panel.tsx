import { Box, Button, Chip, Divider, Stack, Typography } from '@mui/material';
import { Share2 } from 'lucide-react';
import { colorsOf } from '../../stream/room';
import type { Person, RoomState } from '../../stream/room';
import type { StreamSession } from '../../stream/session';
import type { Permission } from '../../stream/ticket';
import { Ago } from '../../ui/time';
import { useRoom, useStore } from './use-stream';

/** Who is at the desktop, who has control, and what can be done about it. */
export function PeoplePanel({
  stream,
  onShare,
}: {
  stream: StreamSession;
  onShare?: (() => void) | undefined;
}) {
  const room = useRoom(stream);
  const { permissions } = useStore(stream.state);
  const hidden = room.total - room.people.length;
  const colors = colorsOf(room.people);
  return (
    <Stack spacing={1.5} sx={{ p: 2, width: 340, maxWidth: '100%' }}>
      <Typography variant="subtitle2" component="h2">
        {room.total < 2 ? 'You are alone here' : `${room.total} people are here`}
      </Typography>
      <Stack
        component="ul"
        spacing={1}
        sx={{ listStyle: 'none', p: 0, m: 0, maxHeight: 320, overflowY: 'auto' }}
      >
        {room.people.map((person) => (
          <PersonRow
            key={person.viewer}
            person={person}
            color={colors.get(person.viewer) ?? 'gray'}
            room={room}
            stream={stream}
            permissions={permissions}
          />
        ))}
      </Stack>
      {hidden > 0 && (
        <Typography variant="caption" color="textSecondary">
          and {hidden} more
        </Typography>
      )}
      {room.total > 1 && <OwnControl room={room} stream={stream} permissions={permissions} />}
      {onShare && (
        <>
          <Divider />
          <Button variant="outlined" startIcon={<Share2 size={16} />} onClick={onShare}>
            Share this desktop
          </Button>
        </>
      )}
    </Stack>
  );
}

interface RoomProps {
  room: RoomState;
  stream: StreamSession;
  permissions: ReadonlySet<Permission>;
}

function PersonRow({
  person,
  color,
  room,
  stream,
  permissions,
}: RoomProps & { person: Person; color: string }) {
  const holds = room.holder === person.viewer;
  const asks = room.requests.includes(person.viewer);
  const mayGive =
    !person.you &&
    !holds &&
    person.permissions.includes('control') &&
    room.holder === room.me &&
    permissions.has('control');
  return (
    <Stack component="li" direction="row" spacing={1.25} sx={{ alignItems: 'center' }}>
      <Box
        aria-hidden
        sx={{ width: 12, height: 12, flexShrink: 0, borderRadius: '50%' }}
        style={{ backgroundColor: color }}
      />
      <Box sx={{ flex: 1, minWidth: 0 }}>
        <Typography variant="body2" noWrap title={person.label}>
          {person.label}
          {person.you && ' (you)'}
        </Typography>
        <Typography variant="caption" color="textSecondary" component="div">
          {person.guest && 'guest · '}
          {person.permissions.includes('control') ? '' : 'watching · '}
          {person.since && (
            <>
              here since <Ago at={person.since} />
            </>
          )}
        </Typography>
      </Box>
      {holds && <Chip size="small" color="primary" variant="outlined" label="Control" />}
      {asks && !mayGive && <Chip size="small" variant="outlined" label="Asks" />}
      {mayGive && (
        <Button
          size="small"
          onClick={() => stream.room.give(person.viewer)}
          aria-label={`Give control to ${person.label}`}
        >
          Give control
        </Button>
      )}
    </Stack>
  );
}

/** What oneself can do: ask for control, take it, or give it back. */
function OwnControl({ room, stream, permissions }: RoomProps) {
  if (!permissions.has('control')) {
    return (
      <Typography variant="caption" color="textSecondary">
        You watch. Where you point is shown to the others.
      </Typography>
    );
  }
  const mine = room.holder === room.me;
  const asked = room.me !== null && room.requests.includes(room.me);
  return (
    <Stack direction="row" spacing={1} useFlexGap sx={{ flexWrap: 'wrap' }}>
      {mine && (
        <Button size="small" variant="outlined" onClick={() => stream.room.release()}>
          Give control back
        </Button>
      )}
      {!mine && room.holder !== null && !permissions.has('admin') && (
        <Button
          size="small"
          variant="outlined"
          onClick={() => (asked ? stream.room.release() : stream.room.request())}
        >
          {asked ? 'Take the request back' : 'Ask for control'}
        </Button>
      )}
      {!mine && permissions.has('admin') && (
        <Button size="small" variant="outlined" onClick={() => stream.room.take()}>
          Take control
        </Button>
      )}
      {permissions.has('admin') && !mine && room.holder !== null && (
        <Button size="small" color="inherit" onClick={() => stream.room.reset()}>
          Free it for anybody
        </Button>
      )}
      {room.holder === null && (
        <Typography variant="caption" color="textSecondary">
          Nobody has control: it goes to who clicks or types first.
        </Typography>
      )}
    </Stack>
  );
}
