// Package trouble sorts the errors that end a command before it could judge:
// what the user can mend at the command line or by rights, and what is simply
// not to be had. The exit status is decided on the kind, in one place.
package trouble

import (
	"errors"
	"fmt"
)

// Kind is the sort of an error. Its zero value is any other error.
type Kind uint8

// The kinds.
const (
	// Other is an error of no known kind.
	Other Kind = iota
	// Refused is a bad flag, a malformed DSN, or a check that refused to
	// start: exit status 3.
	Refused
	// Unavailable is a server, a database, a disk or a program that is not
	// to be had: exit status 4.
	Unavailable
)

type sorted struct {
	kind Kind
	err  error
}

func (e *sorted) Error() string { return e.err.Error() }
func (e *sorted) Unwrap() error { return e.err }

// Refuse makes an error of kind [Refused]; it formats as [fmt.Errorf] does.
func Refuse(format string, args ...any) error {
	return &sorted{Refused, fmt.Errorf(format, args...)}
}

// Unreachable makes an error of kind [Unavailable]; it formats as
// [fmt.Errorf] does.
func Unreachable(format string, args ...any) error {
	return &sorted{Unavailable, fmt.Errorf(format, args...)}
}

// Of returns the kind of the outermost sorted error in err's chain.
func Of(err error) Kind {
	if e, ok := errors.AsType[*sorted](err); ok {
		return e.kind
	}
	return Other
}
