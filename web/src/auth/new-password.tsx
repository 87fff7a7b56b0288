import { Stack } from '@mui/material';
import { useState } from 'react';
import { PASSWORD_LENGTH, PasswordField } from './password-field';

export interface NewPassword {
  readonly first: string;
  readonly second: string;
}

/** Why the two entries are no password yet, or null. */
export function mistakeIn({ first, second }: NewPassword): string | null {
  if ([...first].length < PASSWORD_LENGTH) return `Use at least ${PASSWORD_LENGTH} characters.`;
  return first === second ? null : 'The two passwords differ.';
}

/** Two fields for a new password. Mistakes are told once a field was left, not while typing. */
export function NewPasswordFields({
  value,
  onChange,
  autoFocus = false,
}: {
  value: NewPassword;
  onChange: (value: NewPassword) => void;
  autoFocus?: boolean;
}) {
  const [left, setLeft] = useState({ first: false, second: false });
  const short = left.first && value.first !== '' && [...value.first].length < PASSWORD_LENGTH;
  const differ = left.second && value.second !== '' && value.first !== value.second;
  return (
    <Stack spacing={2}>
      <PasswordField
        required
        autoFocus={autoFocus}
        label="New password"
        autoComplete="new-password"
        value={value.first}
        onChange={(event) => onChange({ ...value, first: event.target.value })}
        onBlur={() => setLeft({ ...left, first: true })}
        error={short}
        helperText={`At least ${PASSWORD_LENGTH} characters. A few words are easier to remember than symbols.`}
      />
      <PasswordField
        required
        label="The same again"
        autoComplete="new-password"
        value={value.second}
        onChange={(event) => onChange({ ...value, second: event.target.value })}
        onBlur={() => setLeft({ ...left, second: true })}
        error={differ}
        helperText={differ ? 'The two passwords differ.' : undefined}
      />
    </Stack>
  );
}
