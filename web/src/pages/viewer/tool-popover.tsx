import { Popover } from '@mui/material';
import type { ReactNode } from 'react';
import type { StreamSession } from '../../stream/session';

/** What a popover hangs on, and how it was opened. */
export interface Opener {
  readonly element: HTMLElement;
  readonly byKeyboard: boolean;
}

/** Reads a click: browsers count zero of them when a key pressed the button. */
export function openerOf(event: React.MouseEvent<HTMLElement>): Opener {
  return { element: event.currentTarget, byKeyboard: event.detail === 0 };
}

interface ToolPopoverProps {
  open: boolean;
  opener: Opener | null;
  label: string;
  stream: StreamSession;
  onClose: () => void;
  children: ReactNode;
}

/**
 * A panel that hangs on a button of the toolbar. Closing it leads back to the button for whoever came by keyboard, and
 * to the desktop for whoever came with a pointer and wants to go on typing there.
 */
export function ToolPopover({ open, opener, label, stream, onClose, children }: ToolPopoverProps) {
  const byKeyboard = opener?.byKeyboard ?? false;
  return (
    <Popover
      open={open}
      anchorEl={opener?.element}
      onClose={onClose}
      disableRestoreFocus={!byKeyboard}
      transitionDuration={100} // in milliseconds; what is typed meanwhile is lost
      anchorOrigin={{ vertical: 'bottom', horizontal: 'center' }}
      transformOrigin={{ vertical: 'top', horizontal: 'center' }}
      slotProps={{
        transition: {
          // Not earlier: while it is open the panel holds on to the focus.
          onExited: () => {
            if (!byKeyboard) stream.focus();
          },
        },
        paper: {
          role: 'dialog',
          'aria-label': label,
          sx: { mt: 1, borderRadius: '16px', maxWidth: 'calc(100vw - 16px)' },
        },
      }}
    >
      {children}
    </Popover>
  );
}
