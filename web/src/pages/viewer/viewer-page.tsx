import { Box, CircularProgress } from '@mui/material';
import { useQuery } from '@tanstack/react-query';
import { useParams } from 'react-router';
import { keys } from '../../api/keys';
import { api } from '../../api/resources';
import { Problem } from '../../api/transport';
import { ProblemAlert } from '../../ui/problem';
import { NotFoundPage } from '../not-found';
import { Viewer } from './viewer';

/** One session in the whole window. */
export default function ViewerPage() {
  const { id = '' } = useParams();
  const { data, error, refetch } = useQuery({ queryKey: keys.session(id), queryFn: () => api.session(id) });
  if (data) return <Viewer key={id} session={data} />;
  if (error instanceof Problem && error.status === 404) {
    return (
      <Box component="main" sx={{ minHeight: '100%', display: 'grid', placeItems: 'center' }}>
        <NotFoundPage what="session" />
      </Box>
    );
  }
  return (
    <Box component="main" sx={{ minHeight: '100%', display: 'grid', placeItems: 'center', p: 3 }}>
      {error ? (
        <ProblemAlert error={error} retry={() => void refetch()} />
      ) : (
        <CircularProgress aria-label="Loading" />
      )}
    </Box>
  );
}
