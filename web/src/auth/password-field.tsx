import { IconButton, InputAdornment, TextField, Tooltip } from '@mui/material';
import type { TextFieldProps } from '@mui/material';
import { Eye, EyeOff } from 'lucide-react';
import { useState } from 'react';

/** The shortest password the API takes. */
export const PASSWORD_LENGTH = 10;

export function PasswordField({ autoComplete, ...props }: TextFieldProps) {
  const [visible, setVisible] = useState(false);
  const label = visible ? 'Hide the password' : 'Show the password';
  return (
    <TextField
      {...props}
      type={visible ? 'text' : 'password'}
      autoComplete={autoComplete ?? 'current-password'}
      slotProps={{
        input: {
          endAdornment: (
            <InputAdornment position="end">
              <Tooltip title={label}>
                <IconButton aria-label={label} edge="end" onClick={() => setVisible(!visible)}>
                  {visible ? <EyeOff size={18} /> : <Eye size={18} />}
                </IconButton>
              </Tooltip>
            </InputAdornment>
          ),
        },
      }}
    />
  );
}
