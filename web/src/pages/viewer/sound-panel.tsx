import { Alert, FormControlLabel, Slider, Stack, Switch, Typography } from '@mui/material';
import { useId } from 'react';
import type { StreamSession } from '../../stream/session';
import { useStore } from './use-stream';

/** What is heard of the desktop, and what it hears. */
export function SoundPanel({ stream }: { stream: StreamSession }) {
  const { sound } = stream;
  const state = useStore(sound.state);
  const id = useId();
  const hears = state.speakers !== 'off';
  return (
    <Stack spacing={1.5} sx={{ p: 2, width: 280, maxWidth: '100%' }}>
      {state.speakers !== 'absent' && (
        <>
          <FormControlLabel
            control={<Switch checked={hears} onChange={() => (hears ? sound.mute() : sound.unmute())} />}
            label="Hear the desktop"
          />
          <div>
            <Typography id={id} variant="body2" color={hears ? 'textPrimary' : 'textSecondary'}>
              Volume
            </Typography>
            <Slider
              aria-labelledby={id}
              size="small"
              disabled={!hears}
              value={Math.round(state.volume * 100)}
              valueLabelDisplay="auto"
              valueLabelFormat={(percent) => `${percent} %`}
              getAriaValueText={(percent) => `${percent} %`}
              onChange={(_, percent) => sound.setVolume(percent / 100)}
            />
          </div>
        </>
      )}
      {state.microphone !== 'absent' && (
        <FormControlLabel
          control={
            <Switch
              color="secondary"
              checked={state.microphone !== 'off'}
              onChange={() => (state.microphone === 'off' ? void sound.speak() : sound.silence())}
            />
          }
          label={state.microphone === 'asking' ? 'My microphone: waiting' : 'My microphone'}
        />
      )}
      {state.problem !== '' && (
        <Alert severity="info" role="status" sx={{ py: 0 }}>
          {state.problem}
        </Alert>
      )}
      {state.microphone === 'on' && (
        <Typography variant="caption" color="textSecondary" role="status">
          Programs in the desktop hear you now.
        </Typography>
      )}
    </Stack>
  );
}
