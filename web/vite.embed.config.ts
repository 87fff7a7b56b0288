import { defineConfig } from 'vite';

/** The library that other sites load: one module without dependencies. Run after the application's build, into its folder. */
export default defineConfig({
  publicDir: false,
  build: {
    outDir: 'dist/sdk',
    emptyOutDir: true,
    target: 'es2022',
    lib: { entry: 'embed/streamspace-embed.ts', formats: ['es'], fileName: () => 'streamspace-embed.js' },
  },
});
