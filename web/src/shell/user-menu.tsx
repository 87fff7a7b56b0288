import {
  Avatar,
  Box,
  Divider,
  IconButton,
  ListItemIcon,
  Menu,
  MenuItem,
  Tooltip,
  Typography,
} from '@mui/material';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { LogOut, UserRound } from 'lucide-react';
import { useState } from 'react';
import { Link, useNavigate } from 'react-router';
import { keys } from '../api/keys';
import { api } from '../api/resources';
import { useUser } from '../auth/login';
import { useNotify } from '../notify/provider';
import { messageOf } from '../ui/problem';

export function UserMenu() {
  const user = useUser();
  const client = useQueryClient();
  const navigate = useNavigate();
  const { notify, clear } = useNotify();
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  const signOut = useMutation({
    mutationFn: api.signOut,
    onSuccess: () => {
      clear();
      void navigate('/signin');
      client.clear();
      client.setQueryData(keys.login, null);
    },
    onError: (error) =>
      notify({
        priority: 'high',
        severity: 'error',
        title: 'You are still signed in',
        detail: messageOf(error),
      }),
  });
  return (
    <>
      <Tooltip title="Your account">
        <IconButton
          aria-label={`Your account (${initials(user.displayName || user.username)})`}
          aria-haspopup="menu"
          onClick={(event) => setAnchor(event.currentTarget)}
          sx={{ p: 0.75 }}
        >
          <Avatar
            sx={{
              width: 30,
              height: 30,
              fontSize: 14,
              fontWeight: 650,
              bgcolor: 'primary.main',
              color: 'primary.contrastText',
            }}
          >
            {initials(user.displayName || user.username)}
          </Avatar>
        </IconButton>
      </Tooltip>
      <Menu
        anchorEl={anchor}
        open={anchor !== null}
        onClose={() => setAnchor(null)}
        onClick={() => setAnchor(null)}
      >
        <Box sx={{ px: 2, py: 1 }}>
          <Typography variant="subtitle2">{user.displayName || user.username}</Typography>
          <Typography variant="body2" color="textSecondary">
            {user.username}
            {user.role === 'admin' && ' · administrator'}
          </Typography>
        </Box>
        <Divider sx={{ mb: 0.5 }} />
        <MenuItem component={Link} to="/profile">
          <ListItemIcon>
            <UserRound size={18} />
          </ListItemIcon>
          Profile
        </MenuItem>
        <MenuItem onClick={() => signOut.mutate()}>
          <ListItemIcon>
            <LogOut size={18} />
          </ListItemIcon>
          Sign out
        </MenuItem>
      </Menu>
    </>
  );
}

function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  return ((words[0]?.[0] ?? '?') + (words.length > 1 ? (words.at(-1)?.[0] ?? '') : '')).toUpperCase();
}
