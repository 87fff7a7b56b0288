import { Button, Dialog, DialogActions, DialogContent, DialogContentText, DialogTitle } from '@mui/material';
import { createContext, use, useCallback, useState } from 'react';
import type { ReactNode } from 'react';

export interface Question {
  readonly title: string;
  /** What will happen, and what will not. */
  readonly text: ReactNode;
  /** The verb on the button. */
  readonly action: string;
  readonly dangerous?: boolean;
}

type Ask = (question: Question) => Promise<boolean>;

const ConfirmContext = createContext<Ask>(() => Promise.resolve(false));

/** Asks before something that cannot be undone. */
export function useConfirm(): Ask {
  return use(ConfirmContext);
}

export function ConfirmProvider({ children }: { children: ReactNode }) {
  const [asked, setAsked] = useState<{ question: Question; answer: (yes: boolean) => void } | null>(null);
  const [open, setOpen] = useState(false);
  const ask = useCallback<Ask>(
    (question) =>
      new Promise((resolve) => {
        setAsked({ question, answer: resolve });
        setOpen(true);
      }),
    [],
  );
  const answer = (yes: boolean) => {
    asked?.answer(yes);
    setOpen(false);
  };
  return (
    <ConfirmContext value={ask}>
      {children}
      <Dialog
        open={open}
        onClose={() => answer(false)}
        aria-labelledby="confirm-title"
        aria-describedby="confirm-text"
        maxWidth="xs"
        fullWidth
      >
        <DialogTitle id="confirm-title">{asked?.question.title}</DialogTitle>
        <DialogContent>
          <DialogContentText id="confirm-text" component="div">
            {asked?.question.text}
          </DialogContentText>
        </DialogContent>
        <DialogActions sx={{ px: 3, pb: 2.5 }}>
          <Button autoFocus color="inherit" onClick={() => answer(false)}>
            Cancel
          </Button>
          <Button
            variant="contained"
            color={asked?.question.dangerous ? 'error' : 'primary'}
            onClick={() => answer(true)}
          >
            {asked?.question.action}
          </Button>
        </DialogActions>
      </Dialog>
    </ConfirmContext>
  );
}
