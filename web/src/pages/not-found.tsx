import { Button } from '@mui/material';
import { Compass } from 'lucide-react';
import { Link } from 'react-router';
import { Empty, useTitle } from '../ui/page';

export function NotFoundPage({ what = 'page' }: { what?: 'page' | 'session' }) {
  useTitle('Not found');
  return (
    <Empty
      heading="h1"
      icon={<Compass size={32} />}
      title={`There is no such ${what}`}
      action={
        <Button component={Link} to={what === 'page' ? '/catalog' : '/sessions'} variant="contained">
          {what === 'page' ? 'To the catalog' : 'To my sessions'}
        </Button>
      }
    >
      {what === 'page'
        ? 'The address may be old or mistyped.'
        : 'It was stopped, or it belongs to somebody else.'}
    </Empty>
  );
}
