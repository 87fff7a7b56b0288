// Package e2e is a test of everything that a cluster does: on this machine a node
// is set up from Kubernetes' own programs, containerd and CNI, with images that were
// built here; the chart is installed into it, and desktops are started, used, put to
// sleep, woken and killed, by kubectl and in a browser. It runs as root, by
// `make e2e-kube`.
package e2e
