/** Loads the viewer, and noVNC with it. Calling it early makes the first desktop appear sooner. */
export const loadViewer = () => import('./viewer-page');
