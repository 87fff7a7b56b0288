import js from '@eslint/js';
import jsxA11y from 'eslint-plugin-jsx-a11y';
import reactHooks from 'eslint-plugin-react-hooks';
import globals from 'globals';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['dist', 'src/api/schema.d.ts', 'test-results', 'playwright-report'] },
  js.configs.recommended,
  ...tseslint.configs.strict,
  reactHooks.configs.flat['recommended-latest'],
  jsxA11y.flatConfigs.recommended,
  {
    languageOptions: { globals: { ...globals.browser } },
    rules: {
      // A dialog's first field takes the focus: that is what WAI-ARIA asks for.
      'jsx-a11y/no-autofocus': 'off',
      'no-console': 'error',
      'max-lines': ['error', 600],
    },
  },
  {
    // The stream and the live events know nothing of React.
    files: ['src/stream/**', 'src/events/**/*.ts'],
    rules: {
      'no-restricted-imports': ['error', { paths: ['react', 'react-dom', '@mui/material'] }],
    },
  },
  {
    files: ['e2e/**', 'scripts/**', '*.{js,ts}'],
    languageOptions: { globals: { ...globals.node } },
    rules: { 'react-hooks/rules-of-hooks': 'off', 'no-empty-pattern': 'off' },
  },
);
