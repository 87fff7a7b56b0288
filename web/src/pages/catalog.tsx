import { Box, Button, Chip, InputAdornment, Stack, TextField, Typography } from '@mui/material';
import { useQuery } from '@tanstack/react-query';
import { PackageOpen, Search } from 'lucide-react';
import { useEffect, useState } from 'react';
import { Link, useSearchParams } from 'react-router';
import { keys } from '../api/keys';
import { api } from '../api/resources';
import { useSessionActions } from '../sessions/actions';
import { AppIcon } from '../ui/app-icon';
import { cardGrid, LoadingCards } from '../ui/loading';
import { Empty, PageHeader } from '../ui/page';
import { ProblemAlert } from '../ui/problem';
import { Spoken } from '../ui/spoken';
import { StateChip } from '../ui/state-chip';
import { ALL, categoriesOf, filterTemplates } from './catalog-filter';
import { TemplateCard } from './template-card';
import { loadViewer } from './viewer/load';

export function CatalogPage() {
  const { data, error, isPending, refetch } = useQuery({ queryKey: keys.templates, queryFn: api.templates });
  const [params, setParams] = useSearchParams();
  const [search, setSearch] = useState('');
  const { start, starting } = useSessionActions();
  useEffect(() => void loadViewer(), []); // whoever looks at the catalog will want it next
  const templates = data?.items ?? [];
  const category = params.get('category') ?? ALL;
  const found = filterTemplates(templates, category, search);
  return (
    <>
      <PageHeader
        title="Catalog"
        description="Pick a desktop. It starts in a sandbox of its own and opens in this tab."
      />
      <RunningStrip />
      <Stack direction={{ xs: 'column', md: 'row' }} spacing={2} sx={{ mb: 3, alignItems: { md: 'center' } }}>
        <TextField
          type="search"
          size="small"
          label="Search the catalog"
          value={search}
          onChange={(event) => setSearch(event.target.value)}
          sx={{ maxWidth: { md: 320 } }}
          slotProps={{
            input: {
              startAdornment: (
                <InputAdornment position="start">
                  <Search size={18} />
                </InputAdornment>
              ),
            },
          }}
        />
        <Stack
          direction="row"
          spacing={1}
          useFlexGap
          role="group"
          aria-label="Categories"
          sx={{ flexWrap: 'wrap' }}
        >
          {[ALL, ...categoriesOf(templates)].map((name) => (
            <Chip
              key={name}
              label={name}
              clickable
              aria-pressed={name === category}
              color={name === category ? 'primary' : 'default'}
              variant={name === category ? 'filled' : 'outlined'}
              onClick={() => setParams(name === ALL ? {} : { category: name }, { replace: true })}
            />
          ))}
        </Stack>
      </Stack>
      <Spoken live>{data && `${found.length} of ${templates.length} shown`}</Spoken>
      {isPending && <LoadingCards />}
      {error && !data && <ProblemAlert error={error} retry={() => void refetch()} />}
      {data && found.length === 0 && (
        <Empty
          icon={<PackageOpen size={32} />}
          title={templates.length === 0 ? 'The catalog is empty' : 'Nothing matches'}
          action={
            templates.length > 0 && (
              <Button
                variant="outlined"
                onClick={() => {
                  setSearch('');
                  setParams({}, { replace: true });
                }}
              >
                Show everything
              </Button>
            )
          }
        >
          {templates.length === 0
            ? 'Your administrator has not added any desktops yet.'
            : 'Try fewer words or another category.'}
        </Empty>
      )}
      <Box component="ul" sx={{ ...cardGrid, listStyle: 'none', p: 0, m: 0 }}>
        {found.map((template) => (
          <Box component="li" key={template.name} sx={{ display: 'grid' }}>
            <TemplateCard
              template={template}
              starting={starting === template.name}
              disabled={starting !== null}
              onStart={() => start(template.name)}
            />
          </Box>
        ))}
      </Box>
    </>
  );
}

/** The way back into what is already running. */
function RunningStrip() {
  const { data } = useQuery({ queryKey: keys.sessions('mine'), queryFn: () => api.sessions('mine') });
  const sessions = (data?.items ?? []).filter((session) => session.state !== 'stopping').slice(0, 4);
  if (sessions.length === 0) return null;
  return (
    <Box component="section" aria-label="Your sessions" sx={{ mb: 4 }}>
      <Typography variant="overline" color="textSecondary" component="h2">
        Go on where you were
      </Typography>
      <Stack direction="row" spacing={1.5} useFlexGap sx={{ flexWrap: 'wrap', mt: 0.5 }}>
        {sessions.map((session) => (
          <Button
            key={session.id}
            component={Link}
            to={session.state === 'failed' ? '/sessions' : `/sessions/${session.id}`}
            variant="outlined"
            color="inherit"
            sx={{
              px: 1.5,
              py: 1,
              gap: 1.25,
              borderColor: 'divider',
              bgcolor: 'background.paper',
              maxWidth: '100%',
            }}
          >
            <AppIcon name={session.icon} size={30} />
            <Box component="span" sx={{ overflow: 'hidden', textOverflow: 'ellipsis', whiteSpace: 'nowrap' }}>
              {session.name}
            </Box>
            <StateChip state={session.state} />
          </Button>
        ))}
      </Stack>
    </Box>
  );
}
