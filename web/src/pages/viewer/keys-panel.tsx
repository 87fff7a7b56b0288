import { Box, Button, Stack, ToggleButton, Typography } from '@mui/material';
import { useState } from 'react';
import { ESCAPE, FUNCTION_KEYS, MODIFIERS, TAB } from '../../stream/keys';
import type { Key, Modifier } from '../../stream/keys';
import type { StreamSession } from '../../stream/session';

/** Keys that a browser or a touch screen keeps for itself. */
export function KeysPanel({ stream }: { stream: StreamSession }) {
  const [held, setHeld] = useState<ReadonlySet<Modifier>>(new Set());
  const toggle = (name: Modifier) => {
    const down = !held.has(name);
    stream.sendKey(MODIFIERS[name].keysym, MODIFIERS[name].code, down);
    const next = new Set(held);
    if (down) next.add(name);
    else next.delete(name);
    setHeld(next);
  };
  const press = (key: Key) => {
    stream.sendKey(key.keysym, key.code);
    for (const name of held) stream.sendKey(MODIFIERS[name].keysym, MODIFIERS[name].code, false);
    setHeld(new Set());
  };
  return (
    <Stack spacing={2} sx={{ p: 2, width: 320, maxWidth: '100%' }}>
      <Group name="Hold down" hint="Stays pressed until you press another key here, or release it.">
        {(Object.keys(MODIFIERS) as Modifier[]).map((name) => (
          <ToggleButton
            key={name}
            value={name}
            size="small"
            color="primary"
            selected={held.has(name)}
            onChange={() => toggle(name)}
            sx={{ px: 2, textTransform: 'none' }}
          >
            {MODIFIERS[name].label}
          </ToggleButton>
        ))}
      </Group>
      <Group name="Press">
        {[TAB, ESCAPE].map((key) => (
          <KeyButton key={key.label} onClick={() => press(key)} label={key.label} />
        ))}
        <KeyButton onClick={() => stream.sendCtrlAltDel()} label="Ctrl+Alt+Del" />
      </Group>
      <Group name="Function keys">
        {FUNCTION_KEYS.map((key) => (
          <KeyButton key={key.label} onClick={() => press(key)} label={key.label} />
        ))}
      </Group>
    </Stack>
  );
}

function Group({ name, hint, children }: { name: string; hint?: string; children: React.ReactNode }) {
  return (
    <Box role="group" aria-label={name}>
      <Typography variant="subtitle2" sx={{ mb: 0.75 }}>
        {name}
      </Typography>
      <Stack direction="row" spacing={0.75} useFlexGap sx={{ flexWrap: 'wrap' }}>
        {children}
      </Stack>
      {hint && (
        <Typography variant="caption" color="textSecondary">
          {hint}
        </Typography>
      )}
    </Box>
  );
}

function KeyButton({ label, onClick }: { label: string; onClick: () => void }) {
  return (
    <Button
      size="small"
      variant="outlined"
      color="inherit"
      onClick={onClick}
      sx={{ minWidth: 48, borderColor: 'divider' }}
    >
      {label}
    </Button>
  );
}
