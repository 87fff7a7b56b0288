// Package web is the browser interface: the built React application, embedded,
// and the handler that serves it. It does not know the API behind it.
package web

import (
	"embed"
	"io/fs"
)

// all: keeps dist/.gitkeep, which lets a fresh clone compile before the first
// `npm run build`.
//
//go:embed all:dist
var dist embed.FS

// FS returns the build's files: index.html, assets/… and what they need.
func FS() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // "dist" is a valid path: fs.Sub checks nothing else
	}
	return files
}

// Built reports whether the application was built before this binary was.
func Built() bool {
	_, err := fs.Stat(FS(), indexName)
	return err == nil
}
