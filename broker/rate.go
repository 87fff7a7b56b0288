package broker

import (
	"fmt"
	"time"
)

// An allowance is counted by when it is whole again (the generic cell rate
// algorithm, ITU-T I.371 annex A): each unit puts that off by 1/Rate seconds, and as
// long as it is less than Burst-1 units away there is one left.

// Cost is by how much n units put off when the allowance is whole.
func (a Allowance) Cost(n float64) time.Duration {
	return time.Duration(n / a.Rate * float64(time.Second))
}

// Tolerance is how far off that may be for one more unit to be left.
func (a Allowance) Tolerance() time.Duration { return a.Cost(a.Burst - 1) }

// Check returns an error for an allowance that nobody can keep count of.
func (a Allowance) Check() error {
	if a.Key == "" || len(a.Key) > MaxAllowanceKey || !(a.Rate > 0) || !(a.Burst >= 1) {
		return fmt.Errorf("no allowance: %+v", a)
	}
	return nil
}
