import {
  Button,
  Chip,
  IconButton,
  Menu,
  MenuItem,
  Stack,
  Table,
  TableBody,
  TableCell,
  TableHead,
  TableRow,
  Typography,
} from '@mui/material';
import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import { EllipsisVertical, UserPlus } from 'lucide-react';
import { useState } from 'react';
import { keys } from '../../api/keys';
import { api } from '../../api/resources';
import type { User } from '../../api/types';
import { useUser } from '../../auth/login';
import { useNotify } from '../../notify/provider';
import { useConfirm } from '../../ui/confirm';
import { LoadingRows } from '../../ui/loading';
import { messageOf, ProblemAlert } from '../../ui/problem';
import { SecretDialog } from '../../ui/secret';
import { Spoken } from '../../ui/spoken';
import { TableFrame } from '../../ui/table';
import { Ago } from '../../ui/time';
import { NewUserDialog } from './new-user';

export default function UsersTab() {
  const client = useQueryClient();
  const { data, error, isPending, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } =
    useInfiniteQuery({
      queryKey: keys.users,
      queryFn: ({ pageParam }) => api.users(pageParam),
      initialPageParam: undefined as string | undefined,
      getNextPageParam: (page) => page.nextCursor,
    });
  const [making, setMaking] = useState(false);
  const [link, setLink] = useState<{ user: string; url: string } | null>(null);
  const users = data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Stack spacing={2}>
      <Stack direction="row" sx={{ justifyContent: 'space-between', alignItems: 'center' }}>
        <Typography color="textSecondary">People who may sign in here.</Typography>
        <Button
          variant="contained"
          startIcon={<UserPlus size={18} />}
          onClick={() => setMaking(true)}
          sx={{ flexShrink: 0 }}
        >
          New user
        </Button>
      </Stack>
      {isPending && <LoadingRows />}
      {error && !data && <ProblemAlert error={error} retry={() => void refetch()} />}
      {users.length > 0 && (
        <TableFrame label="Users">
          <Table>
            <TableHead>
              <TableRow>
                <TableCell>User</TableCell>
                <TableCell>Role</TableCell>
                <TableCell>Signed in</TableCell>
                <TableCell>Since</TableCell>
                <TableCell>
                  <Spoken>Actions</Spoken>
                </TableCell>
              </TableRow>
            </TableHead>
            <TableBody>
              {users.map((user) => (
                <UserRow key={user.id} user={user} onLink={(url) => setLink({ user: user.username, url })} />
              ))}
            </TableBody>
          </Table>
        </TableFrame>
      )}
      {hasNextPage && (
        <Button onClick={() => void fetchNextPage()} loading={isFetchingNextPage}>
          Show more
        </Button>
      )}
      {making && (
        <NewUserDialog
          onClose={() => setMaking(false)}
          onMade={(user, url) => {
            setMaking(false);
            if (url) setLink({ user: user.username, url });
            void client.invalidateQueries({ queryKey: keys.users });
          }}
        />
      )}
      {link && (
        <SecretDialog
          title={`Link for ${link.user}`}
          text="Send it to them over a channel you trust. With it they choose a password; it works once and is shown only now."
          secret={link.url}
          onClose={() => setLink(null)}
        />
      )}
    </Stack>
  );
}

function UserRow({ user, onLink }: { user: User; onLink: (url: string) => void }) {
  return (
    <TableRow hover>
      <TableCell>
        <Typography variant="subtitle2">{user.displayName || user.username}</Typography>
        <Typography variant="body2" color="textSecondary">
          {user.username}
        </Typography>
      </TableCell>
      <TableCell>
        <Stack direction="row" spacing={0.75}>
          <Chip
            size="small"
            variant="outlined"
            color={user.role === 'admin' ? 'primary' : 'default'}
            label={user.role === 'admin' ? 'Administrator' : 'User'}
          />
          {user.disabled && <Chip size="small" color="warning" variant="outlined" label="Disabled" />}
        </Stack>
      </TableCell>
      <TableCell>{user.lastLoginAt ? <Ago at={user.lastLoginAt} /> : 'never'}</TableCell>
      <TableCell>
        <Ago at={user.createdAt} />
      </TableCell>
      <TableCell align="right">
        <UserMenu user={user} onLink={onLink} />
      </TableCell>
    </TableRow>
  );
}

function UserMenu({ user, onLink }: { user: User; onLink: (url: string) => void }) {
  const me = useUser();
  const client = useQueryClient();
  const confirm = useConfirm();
  const { notify } = useNotify();
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  const onError = (problem: unknown) =>
    notify({ priority: 'high', severity: 'error', title: 'Nothing was changed', detail: messageOf(problem) });
  const onSettled = () => client.invalidateQueries({ queryKey: keys.users });
  const change = useMutation({
    mutationFn: (wish: { role?: User['role']; disabled?: boolean }) => api.changeUser(user.id, wish),
    onError,
    onSettled,
  });
  const remove = useMutation({ mutationFn: () => api.deleteUser(user.id), onError, onSettled });
  const link = useMutation({
    mutationFn: () => api.setupLink(user.id),
    onSuccess: (made) => onLink(made.setupUrl),
    onError,
  });
  const disable = async () => {
    const sure = await confirm({
      title: `Disable ${user.username}?`,
      text: 'They are signed out everywhere at once and cannot sign in until you enable them again. Their files stay.',
      action: 'Disable',
      dangerous: true,
    });
    if (sure) change.mutate({ disabled: true });
  };
  const erase = async () => {
    const sure = await confirm({
      title: `Delete ${user.username}?`,
      text: 'Their sessions are stopped, and their account and home folders are deleted. This cannot be undone.',
      action: 'Delete',
      dangerous: true,
    });
    if (sure) remove.mutate();
  };
  const choose = (action: () => void) => () => {
    setAnchor(null);
    action();
  };
  const self = user.id === me.id;
  return (
    <>
      <IconButton
        aria-label={`More for ${user.username}`}
        aria-haspopup="menu"
        size="small"
        onClick={(event) => setAnchor(event.currentTarget)}
      >
        <EllipsisVertical size={18} />
      </IconButton>
      <Menu anchorEl={anchor} open={anchor !== null} onClose={() => setAnchor(null)}>
        <MenuItem onClick={choose(() => link.mutate())}>New password link</MenuItem>
        <MenuItem
          disabled={self}
          onClick={choose(() => change.mutate({ role: user.role === 'admin' ? 'user' : 'admin' }))}
        >
          {user.role === 'admin' ? 'Make an ordinary user' : 'Make an administrator'}
        </MenuItem>
        {user.disabled ? (
          <MenuItem onClick={choose(() => change.mutate({ disabled: false }))}>Enable</MenuItem>
        ) : (
          <MenuItem disabled={self} onClick={choose(() => void disable())}>
            Disable
          </MenuItem>
        )}
        <MenuItem disabled={self} sx={{ color: 'error.main' }} onClick={choose(() => void erase())}>
          Delete
        </MenuItem>
      </Menu>
    </>
  );
}
