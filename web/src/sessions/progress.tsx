import { Box, Stack, Typography } from '@mui/material';
import { Check, X } from 'lucide-react';
import { Dot } from '../ui/state-chip';
import type { Step } from './steps';

const COLORS = {
  done: 'success.main',
  active: 'primary.main',
  waiting: 'text.disabled',
  failed: 'error.main',
} as const;

/** The steps from a click to a picture. */
export function Progress({ steps }: { steps: readonly Step[] }) {
  return (
    <Stack component="ol" spacing={1.25} sx={{ listStyle: 'none', p: 0, m: 0, textAlign: 'left' }}>
      {steps.map((step) => (
        <Stack
          key={step.label}
          component="li"
          direction="row"
          spacing={1.5}
          aria-current={step.state === 'active' ? 'step' : undefined}
        >
          <Box
            sx={{
              width: 22,
              height: 22,
              mt: '1px',
              flexShrink: 0,
              borderRadius: '50%',
              display: 'grid',
              placeItems: 'center',
              color: COLORS[step.state],
              bgcolor: 'color-mix(in srgb, currentColor 14%, transparent)',
            }}
          >
            {step.state === 'done' && <Check size={14} strokeWidth={3} aria-label="done" />}
            {step.state === 'failed' && <X size={14} strokeWidth={3} aria-label="failed" />}
            {(step.state === 'active' || step.state === 'waiting') && (
              <Dot moving={step.state === 'active'} />
            )}
          </Box>
          <Box>
            <Typography
              variant="body2"
              sx={{ fontWeight: step.state === 'active' ? 650 : 450, lineHeight: '24px' }}
              color={step.state === 'waiting' ? 'textSecondary' : 'textPrimary'}
            >
              {step.label}
            </Typography>
            {step.detail && (
              <Typography variant="body2" color="textSecondary">
                {step.detail}
              </Typography>
            )}
          </Box>
        </Stack>
      ))}
    </Stack>
  );
}
