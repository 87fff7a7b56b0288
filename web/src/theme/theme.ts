import { createTheme } from '@mui/material/styles';

/** Warm paper, deep lagoon, a little terracotta: calm around a picture that is busy enough by itself. */
export const theme = createTheme({
  cssVariables: { colorSchemeSelector: 'data-theme' },
  colorSchemes: {
    light: {
      palette: {
        primary: { main: '#0a6b73', light: '#2c8f95', dark: '#074e54', contrastText: '#ffffff' },
        secondary: { main: '#a8481f', contrastText: '#ffffff' },
        success: { main: '#23704a' },
        warning: { main: '#8a5a00' },
        error: { main: '#b0322b' },
        info: { main: '#2a6396' },
        background: { default: '#f6f4ef', paper: '#ffffff' },
        text: { primary: '#1a2427', secondary: '#55636a' },
        divider: '#e3dfd6',
      },
    },
    dark: {
      palette: {
        primary: { main: '#62cdcb', light: '#8adedb', dark: '#3aa9a8', contrastText: '#04292c' },
        secondary: { main: '#f2a17c', contrastText: '#3a1404' },
        success: { main: '#6fce9b' },
        warning: { main: '#e8b75a' },
        error: { main: '#f28b82' },
        info: { main: '#85b9e8' },
        background: { default: '#0d1315', paper: '#151d20' },
        text: { primary: '#e7eeee', secondary: '#9fb1b5' },
        divider: '#263236',
      },
    },
  },
  shape: { borderRadius: 12 },
  typography: {
    fontFamily: '"Figtree Variable", system-ui, sans-serif',
    h1: { fontSize: '1.75rem', fontWeight: 700, letterSpacing: '-0.02em', lineHeight: 1.2 },
    h2: { fontSize: '1.25rem', fontWeight: 650, letterSpacing: '-0.01em', lineHeight: 1.3 },
    h3: { fontSize: '1.05rem', fontWeight: 650, lineHeight: 1.35 },
    subtitle2: { fontWeight: 600 },
    button: { textTransform: 'none', fontWeight: 600 },
    overline: { fontWeight: 650, letterSpacing: '0.06em' },
  },
  components: {
    MuiCssBaseline: {
      styleOverrides: {
        'html, body, #root': { height: '100%' },
        '@media (prefers-reduced-motion: reduce)': {
          '*, *::before, *::after': {
            animationDuration: '0.01ms !important',
            animationIterationCount: '1 !important',
            transitionDuration: '0.01ms !important',
            scrollBehavior: 'auto !important',
          },
        },
      },
    },
    MuiButton: { defaultProps: { disableElevation: true }, styleOverrides: { root: { borderRadius: 10 } } },
    MuiPaper: { styleOverrides: { root: { backgroundImage: 'none' } } },
    MuiCard: {
      defaultProps: { variant: 'outlined' },
      styleOverrides: { root: { borderRadius: 16 } },
    },
    MuiDialog: { styleOverrides: { paper: { borderRadius: 18 } } },
    MuiChip: { styleOverrides: { root: { fontWeight: 550 } } },
    MuiTooltip: { defaultProps: { arrow: true, enterDelay: 400 } },
    MuiAlert: { styleOverrides: { root: { borderRadius: 12 } } },
    // A subtitle is no heading: the outline of a page is made of h1 to h3.
    MuiTypography: { defaultProps: { variantMapping: { subtitle1: 'p', subtitle2: 'p' } } },
    MuiTextField: { defaultProps: { fullWidth: true } },
    MuiButtonBase: {
      styleOverrides: {
        root: ({ theme: current }) => ({
          '&.Mui-focusVisible': {
            outline: `2px solid ${current.vars.palette.primary.main}`,
            outlineOffset: 2,
          },
        }),
      },
    },
  },
});
