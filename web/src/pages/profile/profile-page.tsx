import { Stack } from '@mui/material';
import { useUser } from '../../auth/login';
import { PageHeader } from '../../ui/page';
import { ApiKeysSection } from './api-keys';
import { HomesSection } from './homes';
import { NameSection } from './name';
import { PasswordSection } from './password';
import { SignInsSection } from './sign-ins';

export default function ProfilePage() {
  const user = useUser();
  return (
    <>
      <PageHeader
        title="Profile"
        description={`Signed in as ${user.username}${user.role === 'admin' ? ', administrator' : ''}.`}
      />
      <Stack spacing={2.5} sx={{ maxWidth: 860 }}>
        <NameSection />
        <PasswordSection />
        <HomesSection />
        <SignInsSection />
        <ApiKeysSection />
      </Stack>
    </>
  );
}
