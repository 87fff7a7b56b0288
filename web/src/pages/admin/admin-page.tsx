import { Tab, Tabs } from '@mui/material';
import { Suspense } from 'react';
import { Link, Outlet, useLocation } from 'react-router';
import { useUser } from '../../auth/login';
import { LoadingRows } from '../../ui/loading';
import { PageHeader } from '../../ui/page';
import { NotFoundPage } from '../not-found';

const TABS = [
  { to: '/admin/users', label: 'Users' },
  { to: '/admin/sessions', label: 'All sessions' },
  { to: '/admin/audit', label: 'Audit' },
] as const;

export default function AdminPage() {
  const user = useUser();
  const { pathname } = useLocation();
  if (user.role !== 'admin') return <NotFoundPage />;
  return (
    <>
      <PageHeader title="Admin" />
      <Tabs
        component="nav"
        aria-label="Admin"
        value={TABS.find((tab) => pathname.startsWith(tab.to))?.to ?? false}
        sx={{ mb: 3, borderBottom: 1, borderColor: 'divider' }}
      >
        {TABS.map((tab) => (
          <Tab key={tab.to} component={Link} to={tab.to} value={tab.to} label={tab.label} />
        ))}
      </Tabs>
      <Suspense fallback={<LoadingRows />}>
        <Outlet />
      </Suspense>
    </>
  );
}
