import { Box } from '@mui/material';
import { useEffect, useState } from 'react';
import { colorsOf, personOf } from '../../stream/room';
import type { StreamSession } from '../../stream/session';
import { useRoom, useStore } from './use-stream';

/** Where the picture is on the page, and how much larger or smaller than the desktop's own pixels. */
interface Place {
  readonly left: number;
  readonly top: number;
  readonly scale: number;
}

/** Where others point, with their names. */
export function Cursors({
  stream,
  stage,
}: {
  stream: StreamSession;
  stage: React.RefObject<HTMLDivElement | null>;
}) {
  const room = useRoom(stream);
  const cursors = useStore(stream.room.cursors);
  const place = usePlace(stage, cursors.size > 0);
  if (!place) return null;
  const colors = colorsOf(room.people);
  return (
    <Box
      aria-hidden
      data-testid="cursors"
      sx={{ position: 'absolute', inset: 0, overflow: 'hidden', pointerEvents: 'none' }}
    >
      {[...cursors].map(([viewer, at]) => {
        const person = personOf(room, viewer);
        if (!person) return null;
        const color = colors.get(viewer) ?? 'gray';
        return (
          <Box
            key={viewer}
            sx={{
              position: 'absolute',
              left: 0,
              top: 0,
              transition: 'transform 60ms linear',
              '@media (prefers-reduced-motion: reduce)': { transition: 'none' },
            }}
            style={{
              transform: `translate(${place.left + at.x * place.scale}px, ${place.top + at.y * place.scale}px)`,
            }}
          >
            <svg width="18" height="20" viewBox="0 0 18 20">
              <path
                d="M1 1 L1 16 L5.5 12 L8.5 19 L11.5 17.7 L8.6 11 L15 10.6 Z"
                fill={color}
                stroke="#fff"
                strokeWidth="1.3"
              />
            </svg>
            <Box
              sx={{
                position: 'absolute',
                left: 14,
                top: 16,
                px: 0.75,
                borderRadius: '6px',
                color: '#fff',
                fontSize: 12,
                fontWeight: 650,
                lineHeight: '18px',
                whiteSpace: 'nowrap',
                maxWidth: 160,
                overflow: 'hidden',
                textOverflow: 'ellipsis',
                boxShadow: '0 1px 3px rgb(0 0 0 / 40%)',
              }}
              style={{ backgroundColor: color }}
            >
              {person.label}
            </Box>
          </Box>
        );
      })}
    </Box>
  );
}

/** Follows the canvas, which noVNC makes, scales and scrolls. */
function usePlace(stage: React.RefObject<HTMLDivElement | null>, wanted: boolean): Place | null {
  const [place, setPlace] = useState<Place | null>(null);
  useEffect(() => {
    const element = stage.current;
    const canvas = element?.querySelector<HTMLCanvasElement>('canvas:not([data-frozen])');
    if (!wanted || !element || !canvas) return;
    const measure = () => {
      const inner = canvas.getBoundingClientRect();
      const outer = element.getBoundingClientRect();
      if (canvas.width === 0) return;
      setPlace({
        left: inner.left - outer.left,
        top: inner.top - outer.top,
        scale: inner.width / canvas.width,
      });
    };
    measure();
    const sizes = new ResizeObserver(measure);
    sizes.observe(canvas);
    sizes.observe(element);
    element.addEventListener('scroll', measure, true);
    return () => {
      sizes.disconnect();
      element.removeEventListener('scroll', measure, true);
    };
  }, [stage, wanted]);
  return wanted ? place : null;
}
