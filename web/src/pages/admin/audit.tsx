import {
  Button,
  Chip,
  Stack,
  Table,
  TableBody,
  TableCell,
  TableHead,
  TableRow,
  TextField,
  Typography,
} from '@mui/material';
import { useInfiniteQuery } from '@tanstack/react-query';
import { ScrollText } from 'lucide-react';
import { useDeferredValue, useState } from 'react';
import { keys } from '../../api/keys';
import { api } from '../../api/resources';
import type { AuditRecord } from '../../api/types';
import { exactly } from '../../ui/clock';
import { CopyButton } from '../../ui/copy';
import { LoadingRows } from '../../ui/loading';
import { Empty } from '../../ui/page';
import { ProblemAlert } from '../../ui/problem';
import { TableFrame } from '../../ui/table';

export default function AuditTab() {
  const [action, setAction] = useState('');
  const wanted = useDeferredValue(action.trim());
  const { data, error, isPending, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } =
    useInfiniteQuery({
      queryKey: keys.audit(wanted),
      queryFn: ({ pageParam }) => api.audit(pageParam, wanted || undefined),
      initialPageParam: undefined as string | undefined,
      getNextPageParam: (page) => page.nextCursor,
    });
  const records = data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Stack spacing={2}>
      <TextField
        size="small"
        type="search"
        label="Action"
        placeholder="session.create"
        value={action}
        onChange={(event) => setAction(event.target.value)}
        sx={{ maxWidth: 320 }}
      />
      {isPending && <LoadingRows />}
      {error && !data && <ProblemAlert error={error} retry={() => void refetch()} />}
      {data && records.length === 0 && (
        <Empty icon={<ScrollText size={32} />} title="Nothing recorded">
          {wanted
            ? 'No record of this action. Clear the box to see all.'
            : 'Sign-ins, sessions and changes to accounts appear here.'}
        </Empty>
      )}
      {records.length > 0 && (
        <TableFrame label="Audit trail">
          <Table size="small">
            <TableHead>
              <TableRow>
                <TableCell>When</TableCell>
                <TableCell>Who</TableCell>
                <TableCell>What</TableCell>
                <TableCell>Outcome</TableCell>
                <TableCell>From</TableCell>
                <TableCell>Request</TableCell>
              </TableRow>
            </TableHead>
            <TableBody>
              {records.map((record) => (
                <AuditRow key={record.id} record={record} />
              ))}
            </TableBody>
          </Table>
        </TableFrame>
      )}
      {hasNextPage && (
        <Button onClick={() => void fetchNextPage()} loading={isFetchingNextPage}>
          Show older
        </Button>
      )}
    </Stack>
  );
}

const COLORS: Record<string, 'success' | 'warning' | 'error'> = {
  ok: 'success',
  denied: 'warning',
  error: 'error',
};

function AuditRow({ record }: { record: AuditRecord }) {
  const facts = Object.entries(record.detail ?? {}).map(
    ([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return (
    <TableRow hover>
      <TableCell sx={{ whiteSpace: 'nowrap' }}>
        <time dateTime={record.at}>{exactly(record.at)}</time>
      </TableCell>
      <TableCell>{record.actor.name || 'nobody'}</TableCell>
      <TableCell>
        <Typography variant="subtitle2">{record.action}</Typography>
        <Typography variant="caption" color="textSecondary" sx={{ overflowWrap: 'anywhere' }}>
          {[record.subject, ...facts].filter(Boolean).join(' · ')}
        </Typography>
      </TableCell>
      <TableCell>
        <Chip
          size="small"
          variant="outlined"
          label={record.outcome}
          color={COLORS[record.outcome] ?? 'default'}
        />
      </TableCell>
      <TableCell sx={{ whiteSpace: 'nowrap' }}>{record.remoteAddr}</TableCell>
      <TableCell>
        {record.requestId && (
          <CopyButton text={record.requestId} label={`Copy request ${record.requestId}`} />
        )}
      </TableCell>
    </TableRow>
  );
}
