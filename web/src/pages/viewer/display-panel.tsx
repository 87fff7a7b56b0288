import {
  Box,
  FormControl,
  FormControlLabel,
  FormLabel,
  Radio,
  RadioGroup,
  Slider,
  Stack,
  Typography,
} from '@mui/material';
import { useId } from 'react';
import type { Scale, Settings, Transport } from '../../stream/session';

const SCALES: readonly { value: Scale; label: string; hint: string }[] = [
  { value: 'remote', label: 'Resize the desktop', hint: 'The desktop takes the size of this window' },
  { value: 'fit', label: 'Fit', hint: 'Scale the picture to this window' },
  { value: 'native', label: 'Actual size', hint: 'One to one, scroll to see the rest' },
];

const TRANSPORTS: readonly { value: Transport; label: string; hint: string }[] = [
  { value: 'auto', label: 'Automatic', hint: 'WebRTC where it works, otherwise WebSocket' },
  { value: 'webrtc', label: 'WebRTC', hint: 'Video with the least delay; tried again when it breaks' },
  { value: 'websocket', label: 'WebSocket', hint: 'Exact pixels over the usual port' },
];

/** How the picture is shown. */
export function DisplayPanel({
  settings,
  configure,
}: {
  settings: Settings;
  configure: (change: Partial<Settings>) => void;
}) {
  return (
    <Stack spacing={2.5} sx={{ p: 2, width: 320, maxWidth: '100%' }}>
      <Choice
        name="Size"
        options={SCALES}
        value={settings.scale}
        onChange={(scale) => configure({ scale })}
      />
      <Choice
        name="Transport"
        options={TRANSPORTS}
        value={settings.transport}
        onChange={(transport) => configure({ transport })}
      />
      <Level
        name="Picture quality"
        low="Less data"
        high="Sharper"
        value={settings.quality}
        onChange={(quality) => configure({ quality })}
      />
      <Level
        name="Compression"
        low="Less work"
        high="Less data"
        value={settings.compression}
        onChange={(compression) => configure({ compression })}
      />
    </Stack>
  );
}

interface ChoiceProps<T extends string> {
  name: string;
  options: readonly { value: T; label: string; hint: string }[];
  value: T;
  onChange: (value: T) => void;
}

function Choice<T extends string>({ name, options, value, onChange }: ChoiceProps<T>) {
  const id = useId();
  return (
    <FormControl>
      <FormLabel id={id} sx={{ typography: 'subtitle2', color: 'text.primary', mb: 0.5 }}>
        {name}
      </FormLabel>
      <RadioGroup aria-labelledby={id} value={value} onChange={(_, next) => onChange(next as T)}>
        {options.map((option) => (
          <FormControlLabel
            key={option.value}
            value={option.value}
            control={<Radio size="small" />}
            label={
              <Box sx={{ py: 0.5 }}>
                <Typography variant="body2">{option.label}</Typography>
                <Typography variant="caption" color="textSecondary">
                  {option.hint}
                </Typography>
              </Box>
            }
          />
        ))}
      </RadioGroup>
    </FormControl>
  );
}

interface LevelProps {
  name: string;
  low: string;
  high: string;
  value: number;
  onChange: (value: number) => void;
}

function Level({ name, low, high, value, onChange }: LevelProps) {
  return (
    <Box>
      <Stack direction="row" sx={{ justifyContent: 'space-between' }}>
        <Typography variant="subtitle2">{name}</Typography>
        <Typography variant="body2" color="textSecondary">
          {value} of 9
        </Typography>
      </Stack>
      <Box sx={{ px: 1 }}>
        <Slider
          size="small"
          aria-label={name}
          min={0}
          max={9}
          step={1}
          marks
          value={value}
          onChange={(_, next) => onChange(next as number)}
        />
      </Box>
      <Stack direction="row" sx={{ justifyContent: 'space-between' }}>
        <Typography variant="caption" color="textSecondary">
          {low}
        </Typography>
        <Typography variant="caption" color="textSecondary">
          {high}
        </Typography>
      </Stack>
    </Box>
  );
}
