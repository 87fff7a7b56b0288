import {
  Badge,
  Box,
  Button,
  IconButton,
  List,
  ListItem,
  ListItemText,
  Popover,
  Stack,
  Tooltip,
  Typography,
} from '@mui/material';
import { Bell, BellOff } from 'lucide-react';
import { useState } from 'react';
import { Dot } from '../ui/state-chip';
import { Ago } from '../ui/time';
import { useNotify } from './provider';

/** The history of notices behind a bell. */
export function NotificationBell() {
  const { state, markRead, clear } = useNotify();
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  const label = state.unread > 0 ? `Notifications, ${state.unread} unread` : 'Notifications';
  return (
    <>
      <Tooltip title="Notifications">
        <IconButton
          aria-label={label}
          aria-haspopup="dialog"
          onClick={(event) => {
            setAnchor(event.currentTarget);
            markRead();
          }}
        >
          <Badge badgeContent={state.unread} color="secondary" max={HISTORY_BADGE}>
            <Bell size={20} />
          </Badge>
        </IconButton>
      </Tooltip>
      <Popover
        open={anchor !== null}
        anchorEl={anchor}
        onClose={() => setAnchor(null)}
        anchorOrigin={{ vertical: 'bottom', horizontal: 'right' }}
        transformOrigin={{ vertical: 'top', horizontal: 'right' }}
        slotProps={{
          paper: {
            role: 'dialog',
            'aria-label': 'Notifications',
            sx: { width: 360, maxWidth: '94vw', maxHeight: '70vh', borderRadius: '16px' },
          },
        }}
      >
        <Stack direction="row" sx={{ alignItems: 'center', px: 2, pt: 1.5 }}>
          <Typography variant="h3" component="h2" sx={{ flex: 1 }}>
            Notifications
          </Typography>
          <Button size="small" disabled={state.history.length === 0} onClick={clear}>
            Clear
          </Button>
        </Stack>
        {state.history.length === 0 ? (
          <Stack spacing={1} sx={{ alignItems: 'center', color: 'text.secondary', py: 5 }}>
            <BellOff size={24} aria-hidden />
            <Typography variant="body2">Nothing happened yet.</Typography>
          </Stack>
        ) : (
          <List dense>
            {state.history.map((notice) => (
              <ListItem key={notice.id} sx={{ alignItems: 'flex-start', gap: 1.5 }}>
                <Box sx={{ color: `${notice.severity}.main`, pt: 1 }}>
                  <Dot />
                </Box>
                <ListItemText
                  primary={notice.title}
                  secondary={
                    <>
                      {notice.detail && <span>{notice.detail} · </span>}
                      <Ago at={new Date(notice.at).toISOString()} />
                    </>
                  }
                />
              </ListItem>
            ))}
          </List>
        )}
      </Popover>
    </>
  );
}

/** Beyond this the badge says "9+". */
const HISTORY_BADGE = 9;
