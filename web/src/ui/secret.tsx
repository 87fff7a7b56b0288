import { Alert, Box, Button, Dialog, DialogActions, DialogContent, DialogTitle, Stack } from '@mui/material';
import { CopyButton } from './copy';

/** Shows something that the server will never show again. It closes only through its button. */
export function SecretDialog({
  title,
  text,
  secret,
  onClose,
}: {
  title: string;
  text: string;
  secret: string;
  onClose: () => void;
}) {
  return (
    <Dialog open maxWidth="sm" fullWidth aria-labelledby="secret-title">
      <DialogTitle id="secret-title">{title}</DialogTitle>
      <DialogContent>
        <Alert severity="warning" sx={{ mb: 2 }}>
          {text}
        </Alert>
        <Stack
          direction="row"
          sx={{ alignItems: 'center', bgcolor: 'action.hover', borderRadius: '12px', pl: 2, pr: 1, py: 1 }}
        >
          <Box component="code" data-testid="secret" sx={{ flex: 1, overflowWrap: 'anywhere' }}>
            {secret}
          </Box>
          <CopyButton text={secret} label="Copy" />
        </Stack>
      </DialogContent>
      <DialogActions sx={{ px: 3, pb: 2.5 }}>
        <Button variant="contained" onClick={onClose}>
          I have kept it
        </Button>
      </DialogActions>
    </Dialog>
  );
}
