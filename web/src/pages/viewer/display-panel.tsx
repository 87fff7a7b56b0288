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
import type { Scale, Settings } from '../../stream/session';

const SCALES: readonly { value: Scale; label: string; hint: string }[] = [
  { value: 'remote', label: 'Resize the desktop', hint: 'The desktop takes the size of this window' },
  { value: 'fit', label: 'Fit', hint: 'Scale the picture to this window' },
  { value: 'native', label: 'Actual size', hint: 'One to one, scroll to see the rest' },
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
      <FormControl>
        <FormLabel id="scale-label" sx={{ typography: 'subtitle2', color: 'text.primary', mb: 0.5 }}>
          Size
        </FormLabel>
        <RadioGroup
          aria-labelledby="scale-label"
          value={settings.scale}
          onChange={(_, value) => configure({ scale: value as Scale })}
        >
          {SCALES.map((scale) => (
            <FormControlLabel
              key={scale.value}
              value={scale.value}
              control={<Radio size="small" />}
              label={
                <Box sx={{ py: 0.5 }}>
                  <Typography variant="body2">{scale.label}</Typography>
                  <Typography variant="caption" color="textSecondary">
                    {scale.hint}
                  </Typography>
                </Box>
              }
            />
          ))}
        </RadioGroup>
      </FormControl>
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
