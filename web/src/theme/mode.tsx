import { IconButton, Tooltip } from '@mui/material';
import { useColorScheme } from '@mui/material/styles';
import { Moon, Sun, SunMoon } from 'lucide-react';

const NEXT = { system: 'light', light: 'dark', dark: 'system' } as const;
const NAMES = { system: 'Colours follow the system', light: 'Light colours', dark: 'Dark colours' } as const;

/** Goes through system, light and dark. */
export function ModeButton() {
  const { mode, setMode } = useColorScheme();
  const now = mode ?? 'system';
  const Icon = { system: SunMoon, light: Sun, dark: Moon }[now];
  return (
    <Tooltip title={NAMES[now]}>
      <IconButton aria-label={`${NAMES[now]}. Switch`} onClick={() => setMode(NEXT[now])}>
        <Icon size={20} />
      </IconButton>
    </Tooltip>
  );
}
