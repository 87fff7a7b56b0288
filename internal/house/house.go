// Package house holds the rules of this repository that a machine can check,
// as tests: what may import what, that every package says what it is for, how
// long a file may get, and that documents tell the truth about the tree.
//
// It has no code of its own for others to use.
package house
