package streamspace

// Code names a kind of failure for programs. It travels in the "code" member
// of RFC 9457 problem details and, for streams, in the WebSocket close reason.
type Code string

const (
	CodeInvalid          Code = "invalid"            // the request is malformed; its detail says where
	CodeUnauthenticated  Code = "unauthenticated"    // sign in first
	CodeForbidden        Code = "forbidden"          // signed in, but not allowed
	CodeCSRF             Code = "csrf"               // the X-CSRF-Token header is missing or wrong
	CodeNotFound         Code = "not_found"          // no such thing, or none that the caller may see
	CodeConflict         Code = "conflict"           // the thing's state does not allow it
	CodeThrottled        Code = "throttled"          // too many attempts; Retry-After says when
	CodeTooLarge         Code = "too_large"          // the body exceeds the limit
	CodeNotInstalled     Code = "not_installed"      // the template's program is missing on this machine
	CodeUnavailable      Code = "unavailable"        // a part that is needed does not answer; try again
	CodeInternal         Code = "internal"           // our fault; the request id finds it in the log
	CodeTicketInvalid    Code = "ticket_invalid"     // not ours, damaged, or for another session
	CodeTicketExpired    Code = "ticket_expired"     // too old; ask for a new one
	CodeTicketUsed       Code = "ticket_used"        // single use, and used
	CodeTicketRevoked    Code = "ticket_revoked"     // withdrawn before use
	CodeOriginForbidden  Code = "origin_forbidden"   // the page's origin may not open streams
	CodeDesktopGone      Code = "desktop_gone"       // the desktop ended or stopped answering
	CodeDesktopStart     Code = "desktop_start"      // the desktop did not come up in time
	CodeViewerTooSlow    Code = "viewer_too_slow"    // the viewer stopped reading
	CodeViewerIdle       Code = "viewer_idle"        // the viewer stopped answering pings
	CodeViewerFlood      Code = "viewer_flood"       // the viewer sent more input than allowed
	CodeProtocol         Code = "protocol"           // bytes that are not RFB
	CodeGatewayDraining  Code = "gateway_draining"   // reconnect: another gateway, or this one restarted, takes over
	CodeGatewayFull      Code = "gateway_full"       // admission limit reached; try again later
	CodeAccessRevoked    Code = "access_revoked"     // the right to watch was withdrawn
	CodeSessionStopped   Code = "session_stopped"    // somebody ended the session
	CodeSessionHibernate Code = "session_hibernated" // the session went to sleep; connect again to wake it
)
