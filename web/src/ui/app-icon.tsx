import { Box } from '@mui/material';
import {
  AppWindow,
  Brush,
  Calculator,
  ChartLine,
  Code,
  Database,
  FileText,
  Film,
  Folder,
  Gamepad2,
  Globe,
  Image,
  Mail,
  MessageCircle,
  Monitor,
  Music,
  Network,
  NotebookPen,
  PenTool,
  Sheet,
  SquareTerminal,
} from 'lucide-react';
import type { LucideIcon } from 'lucide-react';

/**
 * The icons that a template may name, each with its hue. The names are those of the Material icons, which templates
 * use; a name that is not here gets a window.
 */
export const ICONS: Readonly<Record<string, { icon: LucideIcon; hue: number }>> = {
  brush: { icon: Brush, hue: 12 },
  calculate: { icon: Calculator, hue: 25 },
  chat: { icon: MessageCircle, hue: 165 },
  code: { icon: Code, hue: 265 },
  description: { icon: FileText, hue: 225 },
  desktop_windows: { icon: Monitor, hue: 185 },
  draw: { icon: PenTool, hue: 315 },
  edit_note: { icon: NotebookPen, hue: 150 },
  folder: { icon: Folder, hue: 38 },
  image: { icon: Image, hue: 285 },
  language: { icon: Globe, hue: 18 },
  lan: { icon: Network, hue: 175 },
  mail: { icon: Mail, hue: 205 },
  movie: { icon: Film, hue: 0 },
  music_note: { icon: Music, hue: 340 },
  picture_as_pdf: { icon: FileText, hue: 355 },
  public: { icon: Globe, hue: 215 },
  show_chart: { icon: ChartLine, hue: 170 },
  sports_esports: { icon: Gamepad2, hue: 90 },
  storage: { icon: Database, hue: 195 },
  table_chart: { icon: Sheet, hue: 135 },
  terminal: { icon: SquareTerminal, hue: 200 },
};

/** A template's icon on its own tile of colour. */
export function AppIcon({
  name,
  size = 48,
  muted = false,
}: {
  name: string;
  size?: number;
  muted?: boolean;
}) {
  const { icon: Icon, hue } = ICONS[name] ?? { icon: AppWindow, hue: 185 };
  return (
    <Box
      aria-hidden
      sx={(theme) => ({
        width: size,
        height: size,
        flexShrink: 0,
        borderRadius: `${size * 0.29}px`,
        display: 'grid',
        placeItems: 'center',
        color: `hsl(${hue} 60% 30%)`,
        background: `linear-gradient(145deg, hsl(${hue} 62% 94%), hsl(${hue} 55% 84%))`,
        filter: muted ? 'grayscale(1) opacity(0.7)' : 'none',
        ...theme.applyStyles('dark', {
          color: `hsl(${hue} 70% 80%)`,
          background: `linear-gradient(145deg, hsl(${hue} 34% 24%), hsl(${hue} 38% 16%))`,
        }),
      })}
    >
      <Icon size={size * 0.5} strokeWidth={1.75} />
    </Box>
  );
}
