package broker

import (
	"errors"
	"time"
)

// ErrUnavailable says that the broker could not be asked, or gave no answer in
// time. What was asked of it may have happened or not; asking again is safe.
var ErrUnavailable = errors.New("broker is unavailable")

// EventReset says that the broker may have forgotten what it was told: it was
// away, or emptied, or another server took over without the last writes. The
// event has no session. Whoever owns something says it again: gateways claim
// their desktops (their epochs are kept if nobody was faster), join their
// viewers and announce themselves at once; the control plane publishes routes
// ResetGrace later. A route that is missing until then is no withdrawn one.
//
// Like ErrDropped it is told once for any number of losses, and before the
// events that came after.
const EventReset EventKind = "reset"

// ResetGrace is how long after a reset routes are published again. Without a
// route nobody claims a desktop, so in this time those who own one, and found
// out by themselves, are the only ones who ask for it: finding out takes a
// second or two.
const ResetGrace = 3 * time.Second
