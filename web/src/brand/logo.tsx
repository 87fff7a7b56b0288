import { Box } from '@mui/material';
import type { SxProps } from '@mui/material';
import { useId } from 'react';

/** The mark: a window with a stream running through it. */
export function LogoMark({ size = 32 }: { size?: number }) {
  const gradient = useId();
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <defs>
        <linearGradient id={gradient} x1="0" y1="0" x2="1" y2="1">
          <stop offset="0" stopColor="#0a5f6b" />
          <stop offset="1" stopColor="#2fae9f" />
        </linearGradient>
      </defs>
      <rect width="32" height="32" rx="9" fill={`url(#${gradient})`} />
      <path
        d="M32 9.2C25 9.2 21.5 8 16.6 8 12.2 8 9.4 9.8 9.4 12.4c0 2.9 3 3.5 6.6 4.1 3.6.6 6.6 1.4 6.6 4.2 0 2.6-2.8 4.3-7.2 4.3-4.9 0-8.4-1.2-15.4-1.2"
        fill="none"
        stroke="#fff"
        strokeWidth="3.1"
        strokeLinecap="round"
      />
      <circle cx="25.4" cy="24.6" r="2" fill="#ffd9b8" />
    </svg>
  );
}

/** The mark with the name. */
export function Logo({ size = 30, sx }: { size?: number; sx?: SxProps }) {
  return (
    <Box sx={{ display: 'inline-flex', alignItems: 'center', gap: 1.25, ...sx }}>
      <LogoMark size={size} />
      <Box
        component="span"
        sx={{ fontWeight: 700, fontSize: size * 0.62, letterSpacing: '-0.02em', color: 'text.primary' }}
      >
        Stream
        <Box component="span" sx={{ color: 'primary.main' }}>
          Space
        </Box>
      </Box>
    </Box>
  );
}
