package wan

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// profiles are lines with a name: what people have, each way.
func profiles() map[string]Path {
	return map[string]Path{
		"lan":       {Delay: 250 * time.Microsecond},
		"fibre":     {Delay: 8 * time.Millisecond, BitsPerSecond: 100_000_000, QueueBytes: 512 << 10},
		"dsl":       {Delay: 15 * time.Millisecond, BitsPerSecond: 16_000_000, QueueBytes: 256 << 10},
		"wifi":      {Delay: 5 * time.Millisecond, Loss: 0.005, BitsPerSecond: 50_000_000, QueueBytes: 256 << 10},
		"lte":       {Delay: 30 * time.Millisecond, Loss: 0.002, BitsPerSecond: 20_000_000, QueueBytes: 1 << 20},
		"far":       {Delay: 25 * time.Millisecond, Loss: 0.01},
		"satellite": {Delay: 300 * time.Millisecond, Loss: 0.005, BitsPerSecond: 20_000_000, QueueBytes: 2 << 20},
		"bloat":     {Delay: 25 * time.Millisecond, BitsPerSecond: 10_000_000, QueueBytes: 1 << 20},
	}
}

// ProfileNames are the named lines.
func ProfileNames() []string { return slices.Sorted(maps.Keys(profiles())) }

// maxDelay bounds a line's delay each way: beyond it nobody works.
const maxDelay = 10 * time.Second

// ParsePath reads a line: a profile's name, or what it does to packets each
// way, in any order, separated by commas: a delay (25ms), a loss (1%), a rate
// (10mbit), the depth of its queue (256KiB).
func ParsePath(text string) (Path, error) {
	if path, ok := profiles()[text]; ok {
		return path, nil
	}
	var path Path
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if err := path.set(part); err != nil {
			return Path{}, fmt.Errorf("%q is no part of a line: want a delay (25ms), a loss (1%%), a rate (10mbit), a queue (256KiB), or one of %s",
				part, strings.Join(ProfileNames(), ", "))
		}
	}
	return path, nil
}

func (p *Path) set(part string) error {
	lower := strings.ToLower(part)
	number := func(suffix string) (float64, error) {
		value, err := strconv.ParseFloat(strings.TrimSuffix(lower, suffix), 64)
		if err != nil || !(value >= 0) {
			return 0, fmt.Errorf("no number")
		}
		return value, nil
	}
	for _, unit := range []struct {
		suffix string
		apply  func(float64) bool
	}{
		{"%", func(v float64) bool { p.Loss = v / 100; return v < 100 }},
		{"kbit", func(v float64) bool { p.BitsPerSecond = int64(v * 1e3); return p.BitsPerSecond >= 8000 }},
		{"mbit", func(v float64) bool { p.BitsPerSecond = int64(v * 1e6); return p.BitsPerSecond >= 8000 }},
		{"gbit", func(v float64) bool { p.BitsPerSecond = int64(v * 1e9); return v <= 100 }},
		{"kib", func(v float64) bool { p.QueueBytes = int(v * (1 << 10)); return p.QueueBytes >= mtu }},
		{"mib", func(v float64) bool { p.QueueBytes = int(v * (1 << 20)); return v <= 1024 }},
	} {
		if strings.HasSuffix(lower, unit.suffix) {
			value, err := number(unit.suffix)
			if err != nil {
				return err
			}
			if !unit.apply(value) {
				return fmt.Errorf("out of range")
			}
			return nil
		}
	}
	delay, err := time.ParseDuration(lower)
	if err != nil || delay < 0 || delay > maxDelay {
		return fmt.Errorf("no delay")
	}
	p.Delay = delay
	return nil
}

// String says what the line does to packets each way.
func (p Path) String() string {
	parts := []string{fmt.Sprintf("%v each way", p.Delay)}
	if p.Loss > 0 {
		parts = append(parts, fmt.Sprintf("%.3g %% loss", 100*p.Loss))
	}
	if p.BitsPerSecond > 0 {
		queue := p.QueueBytes
		if queue == 0 {
			queue = defaultQueueBytes
		}
		parts = append(parts, fmt.Sprintf("%.4g Mbit/s with a queue of %d KiB", float64(p.BitsPerSecond)/1e6, queue>>10))
	}
	return strings.Join(parts, ", ")
}
