import { useCallback, useEffect, useState } from 'react';
import type { RefObject } from 'react';

/** How long the toolbar stays after it was last needed, in milliseconds. */
export const HIDE_AFTER = 3_000;

/** How near to the upper edge the pointer calls the toolbar, in pixels. */
const NEAR = 8;

/** Hides the toolbar while `may` holds and nobody points at it, has the focus in it or one of its panels open. */
export function useToolbarHiding(may: boolean, frame: RefObject<HTMLElement | null>) {
  const [hidden, setHidden] = useState(false);
  const [needed, setNeeded] = useState(0);
  const reveal = useCallback(() => {
    setHidden(false);
    setNeeded((count) => count + 1);
  }, []);

  useEffect(() => {
    if (!may) return;
    const timer = setTimeout(() => {
      const bar = frame.current?.querySelector('[role="toolbar"]');
      const panel = document.querySelector('[role="dialog"], [role="menu"]');
      if (panel || bar?.contains(document.activeElement) || bar?.matches(':hover'))
        setNeeded((count) => count + 1);
      else setHidden(true);
    }, HIDE_AFTER);
    return () => clearTimeout(timer);
  }, [may, needed, frame]);

  useEffect(() => {
    const move = (event: PointerEvent) => {
      if (event.clientY <= NEAR) reveal();
    };
    window.addEventListener('pointermove', move);
    return () => window.removeEventListener('pointermove', move);
  }, [reveal]);

  return { hidden: hidden && may, reveal };
}
