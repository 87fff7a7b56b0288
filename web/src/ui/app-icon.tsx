import { Box } from '@mui/material';
import {
  AppWindow,
  BookOpen,
  Calculator,
  ChartLine,
  Code,
  Database,
  FileText,
  Folder,
  Gamepad2,
  Globe,
  Image,
  Mail,
  MessageCircle,
  Monitor,
  Music,
  Palette,
  PenTool,
  Sheet,
  SquareTerminal,
  SquarePen,
  Film,
  Box as BoxIcon,
} from 'lucide-react';
import type { LucideIcon } from 'lucide-react';

/** The icons that a template may name, each with its hue. A name that is not here gets a window. */
const ICONS: Record<string, { icon: LucideIcon; hue: number }> = {
  terminal: { icon: SquareTerminal, hue: 200 },
  desktop: { icon: Monitor, hue: 185 },
  folder: { icon: Folder, hue: 38 },
  files: { icon: Folder, hue: 38 },
  editor: { icon: SquarePen, hue: 150 },
  text: { icon: FileText, hue: 150 },
  browser: { icon: Globe, hue: 215 },
  globe: { icon: Globe, hue: 215 },
  image: { icon: Image, hue: 320 },
  paint: { icon: Palette, hue: 12 },
  palette: { icon: Palette, hue: 12 },
  vector: { icon: PenTool, hue: 285 },
  office: { icon: FileText, hue: 230 },
  document: { icon: FileText, hue: 230 },
  spreadsheet: { icon: Sheet, hue: 140 },
  code: { icon: Code, hue: 265 },
  ide: { icon: Code, hue: 265 },
  calculator: { icon: Calculator, hue: 25 },
  chart: { icon: ChartLine, hue: 170 },
  database: { icon: Database, hue: 195 },
  mail: { icon: Mail, hue: 205 },
  chat: { icon: MessageCircle, hue: 165 },
  music: { icon: Music, hue: 340 },
  audio: { icon: Music, hue: 340 },
  video: { icon: Film, hue: 0 },
  game: { icon: Gamepad2, hue: 90 },
  cube: { icon: BoxIcon, hue: 28 },
  book: { icon: BookOpen, hue: 48 },
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
