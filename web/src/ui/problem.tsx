import { Alert, AlertTitle, Box, Button } from '@mui/material';
import { Problem } from '../api/transport';
import { CopyButton } from './copy';

/** Says what went wrong, what to do, and the number under which the server's log has it. */
export function ProblemAlert({ error, retry }: { error: unknown; retry?: () => void }) {
  if (!error) return null;
  const problem = error instanceof Problem ? error : null;
  const wait = problem?.retryAfter;
  return (
    <Alert
      severity="error"
      role="alert"
      action={
        retry && (
          <Button color="inherit" size="small" onClick={retry}>
            Try again
          </Button>
        )
      }
    >
      {!problem?.detail && <AlertTitle>{problem?.title ?? 'Something went wrong'}</AlertTitle>}
      {problem
        ? sentence(problem.detail)
        : 'This page made a mistake. Reload it; if it happens again, tell your administrator.'}
      {problem?.fields.map((field) => (
        <div key={field.location + field.message}>{field.message}</div>
      ))}
      {wait !== undefined && ` Try again in ${wait} seconds.`}
      {problem?.requestId && (
        <Box sx={{ mt: 0.5, fontSize: '0.8125rem', display: 'flex', alignItems: 'center', gap: 0.5 }}>
          Request {problem.requestId}
          <CopyButton text={problem.requestId} label="Copy the request number" />
        </Box>
      )}
    </Alert>
  );
}

/** The server's details begin in lower case, as error texts do. */
function sentence(text: string): string {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return first === '' || /[.!?]$/.test(first) ? first : `${first}.`;
}

/** The sentence for a toast. */
export function messageOf(error: unknown): string {
  if (error instanceof Problem) return sentence(error.message);
  return 'This page made a mistake.';
}
