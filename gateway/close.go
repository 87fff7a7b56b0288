package gateway

import (
	"errors"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/gateway/relay"
)

// Close statuses of a stream, after the upgrade. 4000 and up are ours
// (RFC 6455 section 7.4.2), the others are registered. The reason text is
// always the streamspace.Code.
const (
	StatusRestart       = 1012 // gateway_draining: connect again
	StatusInternal      = 1011 // internal
	StatusTryAgain      = 1013 // unavailable: connect again after a while
	StatusDesktopGone   = 4000 // desktop_gone
	StatusAccessRevoked = 4001 // access_revoked
	StatusStopped       = 4002 // session_stopped
	StatusHibernated    = 4003 // session_hibernated: connect again to wake it
	StatusDesktopStart  = 4004 // desktop_start
	StatusTooSlow       = 4008 // viewer_too_slow
	StatusIdle          = 4009 // viewer_idle
	StatusFlood         = 4010 // viewer_flood
	StatusProtocol      = 4011 // protocol
)

// closeStatuses is the one table of how a stream ends.
var closeStatuses = map[streamspace.Code]int{
	streamspace.CodeGatewayDraining:  StatusRestart,
	streamspace.CodeInternal:         StatusInternal,
	streamspace.CodeUnavailable:      StatusTryAgain,
	streamspace.CodeDesktopGone:      StatusDesktopGone,
	streamspace.CodeAccessRevoked:    StatusAccessRevoked,
	streamspace.CodeSessionStopped:   StatusStopped,
	streamspace.CodeSessionHibernate: StatusHibernated,
	streamspace.CodeDesktopStart:     StatusDesktopStart,
	streamspace.CodeViewerTooSlow:    StatusTooSlow,
	streamspace.CodeViewerIdle:       StatusIdle,
	streamspace.CodeViewerFlood:      StatusFlood,
	streamspace.CodeProtocol:         StatusProtocol,
}

// endedBy lists which of the relay's errors ends a stream with which code. A
// viewer that left has no code: there is nobody to tell.
var endedBy = []struct {
	err  error
	code streamspace.Code
}{
	{relay.ErrViewerIdle, streamspace.CodeViewerIdle},
	{relay.ErrViewerSlow, streamspace.CodeViewerTooSlow},
	{relay.ErrViewerFlood, streamspace.CodeViewerFlood},
	{relay.ErrViewerProtocol, streamspace.CodeProtocol},
	{relay.ErrDesktopProtocol, streamspace.CodeProtocol},
	{relay.ErrDesktopGone, streamspace.CodeDesktopGone},
	{relay.ErrDesktopStalled, streamspace.CodeDesktopGone},
}

// closing is an error that says with which code the stream ends.
type closing struct{ code streamspace.Code }

func (c closing) Error() string { return string(c.code) }

// knownEnd finds err's code in the table.
func knownEnd(err error) (streamspace.Code, bool) {
	var c closing
	if errors.As(err, &c) {
		return c.code, true
	}
	for _, row := range endedBy {
		if errors.Is(err, row.err) {
			return row.code, true
		}
	}
	return "", false
}

// codeOf tells with which code err ends a stream. It is empty when the viewer
// left by itself.
func codeOf(err error) streamspace.Code {
	if code, ok := knownEnd(err); ok {
		return code
	}
	if errors.Is(err, relay.ErrViewerGone) {
		return ""
	}
	return streamspace.CodeInternal
}

// statusOf returns the code's close status.
func statusOf(code streamspace.Code) int {
	if status, ok := closeStatuses[code]; ok {
		return status
	}
	return StatusInternal
}
