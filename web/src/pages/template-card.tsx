import { Box, Button, Card, CardActions, CardContent, Chip, Stack, Tooltip, Typography } from '@mui/material';
import { Globe, Play, WifiOff } from 'lucide-react';
import type { Template } from '../api/types';
import { AppIcon } from '../ui/app-icon';
import { CopyButton } from '../ui/copy';

export function TemplateCard({
  template,
  starting,
  disabled,
  onStart,
}: {
  template: Template;
  starting: boolean;
  disabled: boolean;
  onStart: () => void;
}) {
  return (
    <Card
      component="article"
      aria-label={template.displayName}
      sx={{
        display: 'flex',
        flexDirection: 'column',
        transition: 'border-color 150ms',
        '&:hover': { borderColor: 'primary.main' },
      }}
    >
      <CardContent sx={{ flex: 1 }}>
        <Stack direction="row" spacing={1.75} sx={{ alignItems: 'center' }}>
          <AppIcon name={template.icon} size={52} muted={!template.installed} />
          <Box sx={{ minWidth: 0 }}>
            <Typography variant="h3" component="h2">
              {template.displayName}
            </Typography>
            <Stack direction="row" spacing={0.75} sx={{ alignItems: 'center', color: 'text.secondary' }}>
              <Typography variant="body2">{template.category}</Typography>
              <Reach network={template.network} />
            </Stack>
          </Box>
        </Stack>
        <Typography variant="body2" color="textSecondary" sx={{ mt: 1.75 }}>
          {template.description}
        </Typography>
      </CardContent>
      <CardActions sx={{ px: 2, pb: 2, pt: 0 }}>
        {template.installed ? (
          <Button
            variant="contained"
            fullWidth
            startIcon={<Play size={18} />}
            loading={starting}
            loadingPosition="start"
            disabled={disabled}
            onClick={onStart}
            aria-label={`Start ${template.displayName}`}
          >
            Start
          </Button>
        ) : (
          <NotInstalled template={template} />
        )}
      </CardActions>
    </Card>
  );
}

function Reach({ network }: { network: string }) {
  const online = network === 'internet';
  const Icon = online ? Globe : WifiOff;
  return (
    <Tooltip title={online ? 'Reaches the internet' : 'Has no network'}>
      <Icon size={14} aria-label={online ? 'Reaches the internet' : 'Has no network'} role="img" />
    </Tooltip>
  );
}

function NotInstalled({ template }: { template: Template }) {
  return (
    <Box sx={{ width: '100%' }}>
      <Chip size="small" variant="outlined" color="warning" label="Not installed" />
      {template.installCommand ? (
        <Stack
          direction="row"
          sx={{
            mt: 1,
            alignItems: 'center',
            borderRadius: '8px',
            bgcolor: 'action.hover',
            pl: 1.25,
            pr: 0.5,
            py: 0.25,
          }}
        >
          <Box
            component="code"
            sx={{ flex: 1, fontSize: 12.5, overflowWrap: 'anywhere', py: 0.5 }}
            aria-label={`Command that installs ${template.displayName}`}
          >
            {template.installCommand}
          </Box>
          <CopyButton text={template.installCommand} label="Copy the command" />
        </Stack>
      ) : (
        <Typography variant="body2" color="textSecondary" sx={{ mt: 1 }}>
          Missing on this machine: {template.missing.join(', ')}
        </Typography>
      )}
    </Box>
  );
}
