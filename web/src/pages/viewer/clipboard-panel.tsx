import { Alert, Button, Stack, TextField, Typography } from '@mui/material';
import { ClipboardCopy, SendHorizontal } from 'lucide-react';
import { useState } from 'react';
import type { ClipboardSync } from '../../stream/clipboard';
import type { StreamSession } from '../../stream/session';
import { copyText } from '../../ui/copy';
import { useStore } from './use-stream';

/** Text in both directions, for when the browser does not do it by itself. */
export function ClipboardPanel({ stream, sync }: { stream: StreamSession; sync: ClipboardSync }) {
  const mode = useStore(sync.mode);
  const remote = useStore(stream.clipboard);
  const { permissions } = useStore(stream.state);
  const [text, setText] = useState('');
  const [said, setSaid] = useState('');
  const mayIn = permissions.has('clipboard.in');
  const mayOut = permissions.has('clipboard.out');
  return (
    <Stack spacing={2} sx={{ p: 2, width: 360, maxWidth: '100%' }}>
      <Typography variant="h3" component="h2">
        Clipboard
      </Typography>
      {mode === 'automatic' && (
        <Alert severity="success">Text you copy here or there is on both clipboards.</Alert>
      )}
      {mode === 'ask' && (
        <Alert
          severity="info"
          action={
            <Button color="inherit" size="small" onClick={() => void sync.allow()}>
              Allow
            </Button>
          }
        >
          Let the browser share the clipboard, and copy and paste work by themselves.
        </Alert>
      )}
      {mode === 'manual' && (
        <Alert severity="info">
          This browser does not share its clipboard with the page. Use the boxes below.
        </Alert>
      )}
      {mayIn && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (text === '') return;
            sync.send(text);
            setText('');
            setSaid('Sent. Paste it inside the desktop.');
          }}
        >
          <TextField
            multiline
            minRows={2}
            maxRows={5}
            size="small"
            label="To the desktop"
            placeholder="Paste or type text here"
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
          <Button
            type="submit"
            size="small"
            sx={{ mt: 1 }}
            variant="outlined"
            startIcon={<SendHorizontal size={16} />}
          >
            Send
          </Button>
        </form>
      )}
      {mayOut && (
        <div>
          <TextField
            multiline
            minRows={2}
            maxRows={5}
            size="small"
            label="From the desktop"
            placeholder="What you copy inside the desktop appears here"
            value={remote}
            slotProps={{ htmlInput: { readOnly: true } }}
          />
          <Button
            size="small"
            sx={{ mt: 1 }}
            variant="outlined"
            startIcon={<ClipboardCopy size={16} />}
            disabled={remote === ''}
            onClick={() =>
              void copyText(remote).then((done) => {
                setSaid(
                  done ? 'Copied to this computer.' : 'The browser refused. Select the text and copy it.',
                );
                if (done) sync.taken();
              })
            }
          >
            Copy
          </Button>
        </div>
      )}
      {!mayIn && !mayOut && (
        <Typography color="textSecondary">You may not use this desktop's clipboard.</Typography>
      )}
      <Typography role="status" variant="body2" color="textSecondary">
        {said}
      </Typography>
    </Stack>
  );
}
